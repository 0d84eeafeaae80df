//! Credentials of functions: an access key's id says whose it is and until when, and secret and token follow from it and from
//! what only the cluster's nodes know. So every node can check them, and nothing is stored for them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use stator_catalog::{ClusterIdentity, FunctionId};
use std::fmt;

/// What ids begin with: that of temporary keys at AWS, then a letter that tells functions' from others'.
const PREFIX: &str = "ASIAF";
/// Function, end and a random number, each of so many digits.
const DIGITS: [usize; 3] = [16, 16, 16];

/// Makes and knows a cluster's sessions.
#[derive(Clone)]
pub struct SessionKey([u8; 32]);

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey")
    }
}

/// What a function signs its requests with.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    pub function: FunctionId,
    /// Milliseconds since 1970.
    pub expires_ms: u64,
    pub access_key: String,
    pub secret: String,
    pub token: String,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

impl SessionKey {
    /// From what only the cluster's nodes know.
    pub fn of(identity: &ClusterIdentity) -> SessionKey {
        let mut hash = Sha256::new();
        hash.update(b"sessions of functions");
        hash.update(identity.cluster_id.to_be_bytes());
        hash.update(&identity.authority.0);
        SessionKey(hash.finalize().into())
    }

    /// A new session; `random` tells it from others.
    pub fn issue(&self, function: FunctionId, expires_ms: u64, random: u64) -> Session {
        let access_key = format!("{PREFIX}{:016X}{expires_ms:016X}{random:016X}", function.0);
        self.derive(function, expires_ms, access_key)
    }

    /// The session of an access key's id, if it is one and not over. Its secret is not yet believed to be the caller's.
    pub fn open(&self, access_key: &str, now_ms: u64) -> Option<Session> {
        let digits = access_key.strip_prefix(PREFIX)?;
        (digits.len() == DIGITS.iter().sum::<usize>()).then_some(())?;
        digits.bytes().all(|digit| digit.is_ascii_digit() || (b'A'..=b'F').contains(&digit)).then_some(())?;
        let number = |from: usize| u64::from_str_radix(digits.get(from..from + 16)?, 16).ok();
        let (function, expires_ms) = (FunctionId(number(0)?), number(16)?);
        (now_ms < expires_ms).then(|| self.derive(function, expires_ms, access_key.to_owned()))
    }

    fn derive(&self, function: FunctionId, expires_ms: u64, access_key: String) -> Session {
        let code = |what: &str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
            mac.update(what.as_bytes());
            mac.update(access_key.as_bytes());
            STANDARD.encode(mac.finalize().into_bytes())
        };
        Session { function, expires_ms, secret: code("secret "), token: code("token "), access_key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stator_catalog::Secret;

    fn key(cluster_id: u128) -> SessionKey {
        SessionKey::of(&ClusterIdentity {
            cluster_id,
            region: "us-east-1".into(),
            account_id: "000000000000".into(),
            authority: Secret(bytes::Bytes::from_static(b"ca")),
        })
    }

    #[test]
    fn sessions_are_known_again_until_they_are_over() {
        let session = key(1).issue(FunctionId(7), 5_000, 42);
        assert_eq!(key(1).open(&session.access_key, 4_999), Some(session.clone()));
        assert_eq!(key(1).open(&session.access_key, 5_000), None);
        let elsewhere = key(2).open(&session.access_key, 0).expect("its form is right");
        assert_ne!(elsewhere.secret, session.secret);
        let longer = session.access_key.replace("1388", "ffff");
        assert_eq!(key(1).open(&longer, 0), None, "only capital digits are given out");
        let longer = key(1).open(&session.access_key.replace("1388", "FFFF"), 0).expect("its form is right");
        assert_ne!((longer.secret, longer.token), (session.secret, session.token), "another end, another secret");
        for other in ["", "ASIAF", "AKIATESTROOT00000001", &"ASIAF".repeat(10)] {
            assert_eq!(key(1).open(other, 0), None);
        }
    }
}
