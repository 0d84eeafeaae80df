//! JSON strings and base64, appended to bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Bytes looked at together: few enough to stay in registers. Clean text is copied at once.
const CHUNK_BYTES: usize = 32;

/// Appends a JSON string, quotes included.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (number, chunk) in bytes.chunks(CHUNK_BYTES).enumerate() {
        // No early end, so that the compiler looks at all bytes at once.
        if chunk.iter().fold(false, |any, byte| any | needs_escape(*byte)) {
            let begin = number * CHUNK_BYTES;
            out.extend_from_slice(&bytes[copied..begin]);
            chunk.iter().for_each(|byte| write_escaped(*byte, out));
            copied = begin + chunk.len();
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

fn write_escaped(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        0x08 => out.extend_from_slice(b"\\b"),
        0x0c => out.extend_from_slice(b"\\f"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0..0x20 => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        _ => out.push(byte),
    }
}

/// Appends bytes as a JSON string of base64, quotes included.
pub(super) fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    STANDARD.encode_slice(bytes, &mut out[start..]).expect("base64 has four characters for each three bytes begun");
    out.push(b'"');
}
