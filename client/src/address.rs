//! Where a node listens for DynamoDB requests.

use crate::Error;
use std::{fmt, sync::Arc};

/// `host:port` of a node's DynamoDB port, reached over plain HTTP. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Address(Arc<str>);

impl Address {
    /// Takes `host:port` or `http://host:port`, with or without a slash at the end.
    pub fn parse(text: &str) -> Result<Address, Error> {
        let refused = |reason| Error::Address { text: text.to_owned(), reason };
        let rest = match text.trim().split_once("://") {
            None => text.trim(),
            Some(("http", rest)) => rest,
            Some(_) => return Err(refused("only http:// is spoken here")),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| refused("the port is missing, as in 127.0.0.1:8000"))?;
        if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/@?#".contains(&byte)) {
            return Err(refused("no host stands before the port"));
        }
        match port.parse::<u16>() {
            Ok(port) if port != 0 => Ok(Address(rest.into())),
            _ => Err(refused("the port is no number from 1 to 65535")),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, address) in [
            ("127.0.0.1:8000", Some("127.0.0.1:8000")),
            (" http://localhost:8000/ ", Some("localhost:8000")),
            ("http://[::1]:8000", Some("[::1]:8000")),
            ("https://localhost:8000", None),
            ("localhost", None),
            (":8000", None),
            ("localhost:0", None),
            ("localhost:65536", None),
            ("http://user@localhost:80", None),
            ("http://localhost:8000/path", None),
            ("local\r\nhost:8000", None),
            ("", None),
        ] {
            assert_eq!(Address::parse(text).ok().as_ref().map(Address::as_str), address, "{text}");
        }
    }
}
