//! The canonical form of a request, which both sides hash.

use super::{ALGORITHM, SignedRequest, claims::Form};
use sha2::{Digest, Sha256};

/// What is signed: algorithm, date, scope, and the hash of the canonical request.
pub fn string_to_sign(
    request: &SignedRequest<'_>,
    signed_headers: &[&str],
    scope: &str,
    date: &str,
    form: Form,
) -> String {
    let mut text = String::with_capacity(192);
    for line in [ALGORITHM, date, scope] {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(Hexadecimal::of(&Sha256::digest(canonical_request(request, signed_headers, form)).into()).as_str());
    text
}

pub(super) fn canonical_request(request: &SignedRequest<'_>, signed_headers: &[&str], form: Form) -> Vec<u8> {
    let mut out = Vec::with_capacity(2_048);
    out.extend_from_slice(request.method.as_bytes());
    out.push(b'\n');
    path(request.path, &mut out);
    out.push(b'\n');
    query(request.query, form, &mut out);
    out.push(b'\n');
    for name in signed_headers {
        lower(name, &mut out);
        out.push(b':');
        header_values(request, name, &mut out);
        out.push(b'\n');
    }
    out.push(b'\n');
    for (position, name) in signed_headers.iter().enumerate() {
        if position > 0 {
            out.push(b';');
        }
        lower(name, &mut out);
    }
    out.push(b'\n');
    out.extend_from_slice(Hexadecimal::of(&Sha256::digest(request.body).into()).as_bytes());
    out
}

/// A hash in lower-case hexadecimal.
pub(super) struct Hexadecimal([u8; 64]);

impl Hexadecimal {
    pub(super) fn of(hash: &[u8; 32]) -> Hexadecimal {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(hash) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        Hexadecimal(text)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are ASCII")
    }
}

fn lower(name: &str, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(name.as_bytes());
    if let Some(copied) = out.get_mut(start..) {
        copied.make_ascii_lowercase();
    }
}

/// Dot segments and repeated slashes removed, then escaped (again: the path is as sent, and the rule is to escape twice).
fn path(path: &str, out: &mut Vec<u8>) {
    if path == "/" {
        out.push(b'/');
        return;
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    for segment in &segments {
        out.push(b'/');
        escape(segment.as_bytes(), out);
    }
    if segments.is_empty() || path.ends_with('/') {
        out.push(b'/');
    }
}

/// Parameters sorted by escaped name and value; the signature itself is not part of what it signs.
fn query(query: &str, form: Form, out: &mut Vec<u8>) {
    let mut parameters: Vec<(Vec<u8>, Vec<u8>)> = parameters(query)
        .filter(|(name, _)| !(matches!(form, Form::Query { .. }) && name == b"X-Amz-Signature"))
        .map(|(name, value)| (escaped(&name), escaped(&value)))
        .collect();
    parameters.sort_unstable();
    for (position, (name, value)) in parameters.iter().enumerate() {
        if position > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    }
}

/// The parameters of a query string, unescaped, in the order sent.
pub fn parameters(query: &str) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (unescaped(name.as_bytes()), unescaped(value.as_bytes()))
    })
}

/// All values of a header, in the order sent, trimmed, with runs of blanks inside as one.
fn header_values(request: &SignedRequest<'_>, name: &str, out: &mut Vec<u8>) {
    let values = request.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    for (position, (_, value)) in values.enumerate() {
        if position > 0 {
            out.push(b',');
        }
        let value = value.trim_ascii();
        if !has_run_of_blanks(value) {
            out.extend_from_slice(value);
            continue;
        }
        let mut blank = false;
        for &byte in value {
            if byte != b' ' || !blank {
                out.push(byte);
            }
            blank = byte == b' ';
        }
    }
}

fn has_run_of_blanks(value: &[u8]) -> bool {
    // No early end, so that the compiler looks at many bytes at once.
    let pairs = value.iter().zip(value.iter().skip(1));
    pairs.fold(false, |any, (byte, next)| any | ((*byte == b' ') & (*next == b' ')))
}

fn escaped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 8);
    escape(bytes, &mut out);
    out
}

/// Everything but RFC 3986's unreserved characters becomes `%XX`.
fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte);
        } else {
            out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

/// `%XX` become bytes; what is no escape stands for itself.
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16)).map(|digit| digit as u8);
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}
