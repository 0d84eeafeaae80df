//! What an operator carries from a node of the cluster to one that shall join: a token, which proves the new node to the
//! cluster, and the fingerprint of the cluster's authority, which proves the cluster to the new node.

use crate::error::TransportError;
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// The SHA-256 of an authority's certificate (DER). Shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a certificate in DER.
    pub(crate) fn of(certificate_der: &[u8]) -> Fingerprint {
        Fingerprint(Sha256::digest(certificate_der).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// TOKEN.FINGERPRINT. Shown only by [`JoinSecret::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct JoinSecret {
    pub(crate) token: String,
    pub(crate) fingerprint: Fingerprint,
}

impl JoinSecret {
    /// `token`: what the cluster's [`Admission`](crate::Admission) accepts.
    pub fn new(token: String, fingerprint: Fingerprint) -> JoinSecret {
        JoinSecret { token, fingerprint }
    }

    /// The text to hand over.
    pub fn reveal(&self) -> String {
        format!("{}.{}", self.token, self.fingerprint)
    }
}

impl fmt::Debug for JoinSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinSecret(....{})", self.fingerprint)
    }
}

impl FromStr for JoinSecret {
    type Err = TransportError;

    fn from_str(text: &str) -> Result<JoinSecret, TransportError> {
        let malformed = |reason: &str| TransportError::SecretMalformed(reason.to_owned());
        let (token, fingerprint) = text.trim().rsplit_once('.').ok_or_else(|| malformed("the point is missing"))?;
        if token.is_empty() {
            return Err(malformed("the token is missing"));
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(fingerprint, &mut bytes)
            .map_err(|_| malformed("the fingerprint is not 64 hexadecimal digits"))?;
        Ok(JoinSecret { token: token.to_owned(), fingerprint: Fingerprint(bytes) })
    }
}
