//! CPU time used by processes, as the kernel counts it.

use crate::Error;

/// The kernel's unit in `/proc/PID/stat`, on every architecture we build for.
const TICK_US: u64 = 10_000;

/// User and system time of all these processes together, in microseconds.
pub fn used_us(pids: &[u32]) -> Result<u64, Error> {
    pids.iter().map(|pid| used_by(&format!("/proc/{pid}/stat"))).sum()
}

/// The same for this process.
pub fn own_us() -> Result<u64, Error> {
    used_by("/proc/self/stat")
}

fn used_by(path: &str) -> Result<u64, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::machine(format!("read {path}")))?;
    let ticks = ticks(&text)
        .ok_or_else(|| Error::Arguments(format!("{path} has another form than this program knows: {text:?}")))?;
    Ok(ticks * TICK_US)
}

/// Fields 14 and 15. The second is the program's name in parentheses, and may hold blanks and parentheses itself.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194560 1 2 3 4 70 30 5 6 20 0 1 0 9 8 7";
        assert_eq!(ticks(stat), Some(100));
        assert_eq!(ticks("42 (a) S 1"), None);
        assert!(own_us().is_ok());
        assert!(used_us(&[u32::MAX]).is_err());
    }
}
