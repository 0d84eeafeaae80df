//! The key that signs for one secret, day, region and service; and a bounded store of derived ones.

use super::{ALGORITHM, SERVICE, TERMINATOR, canonical::Hexadecimal};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// Derived from a secret for one day, region and service. Keeps the hash state after the key, so signing starts behind it.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    /// The key for a credential scope, `access key/date/region/service/aws4_request`; `None` if it has not five parts.
    pub fn derive(credential_scope: &str, secret: &str) -> Option<SigningKey> {
        let mut parts = credential_scope.rsplitn(5, '/');
        let (terminator, service, region, date) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        parts.next()?;
        let seed = [b"AWS4", secret.as_bytes()].concat();
        let mut key = keyed(&seed);
        for part in [date, region, service, terminator] {
            key.update(part.as_bytes());
            key = keyed(&key.finalize().into_bytes());
        }
        Some(SigningKey(key))
    }

    /// The key with which `secret` signs on that day (`YYYYMMDD`) for DynamoDB in that region.
    pub(super) fn of_day(secret: &str, day: &str, region: &str) -> Option<SigningKey> {
        SigningKey::derive(&format!("-/{day}/{region}/{SERVICE}/{TERMINATOR}"), secret)
    }

    /// The signature of a string to sign, in lower-case hexadecimal.
    pub(super) fn sign(&self, string_to_sign: &str) -> String {
        debug_assert!(string_to_sign.starts_with(ALGORITHM), "only strings to sign are signed");
        let mut mac = self.0.clone();
        mac.update(string_to_sign.as_bytes());
        Hexadecimal::of(&mac.finalize().into_bytes().into()).as_str().to_owned()
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length")
}

/// Derived keys by credential scope. Bound: `keys_max`; when it is full it begins anew.
///
/// A key is found only with the secret that it was derived from, so a key made again under its name gets a new one.
#[derive(Debug)]
pub struct SigningKeyCache {
    keys: BTreeMap<String, (Arc<str>, SigningKey)>,
    keys_max: usize,
}

impl SigningKeyCache {
    pub fn new(keys_max: usize) -> SigningKeyCache {
        SigningKeyCache { keys: BTreeMap::new(), keys_max }
    }

    /// The key for the scope, derived if it is not there yet.
    pub fn get(&mut self, credential_scope: &str, secret: &Arc<str>) -> Option<SigningKey> {
        if let Some((of, key)) = self.keys.get(credential_scope)
            && of == secret
        {
            return Some(key.clone());
        }
        let key = SigningKey::derive(credential_scope, secret)?;
        if self.keys.len() >= self.keys_max {
            self.keys.clear();
        }
        self.keys.insert(credential_scope.to_owned(), (secret.clone(), key.clone()));
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: &str = "AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request";

    /// The worked example of AWS's documentation ("Deriving a signing key").
    #[test]
    fn keys_are_derived_as_documented() {
        let key = SigningKey::derive(SCOPE, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY").expect("five parts");
        let text = "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n\
                    f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59";
        assert_eq!(key.sign(text), "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
        assert!(SigningKey::derive("a/b/c/d", "secret").is_none());
    }

    #[test]
    fn the_cache_is_bounded_and_knows_a_changed_secret() {
        let mut cache = SigningKeyCache::new(2);
        let (old, new): (Arc<str>, Arc<str>) = ("old".into(), "new".into());
        let text = "AWS4-HMAC-SHA256\n";
        let mut signed = |secret| cache.get(SCOPE, secret).expect("five parts").sign(text);
        let before = signed(&old);
        assert_eq!(signed(&old), before);
        assert_ne!(signed(&new), before);
        for number in 0..10 {
            cache.get(&format!("{number}{SCOPE}"), &old);
            assert!(cache.keys.len() <= 2);
        }
    }
}
