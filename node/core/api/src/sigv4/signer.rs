//! The other side: signs requests as a client does. Used by our own client and by tests.

use super::{ALGORITHM, SERVICE, SignedRequest, SigningKey, TERMINATOR, canonical, claims::Form, date};
use std::fmt;

/// Signs requests with one access key for one region. Keeps the signing key of the day.
pub struct Signer {
    access_key: String,
    secret: String,
    region: String,
    session_token: Option<String>,
    today: Option<(String, SigningKey)>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("access_key", &self.access_key)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// What a signed request bears beside the headers that were handed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignerHeaders {
    pub authorization: String,
    /// `x-amz-date`.
    pub date: String,
}

impl Signer {
    pub fn new(access_key: impl Into<String>, secret: impl Into<String>, region: impl Into<String>) -> Signer {
        Signer {
            access_key: access_key.into(),
            secret: secret.into(),
            region: region.into(),
            session_token: None,
            today: None,
        }
    }

    /// For temporary credentials: the token goes into `x-amz-security-token`, which the caller sends as well.
    pub fn with_session_token(self, token: impl Into<String>) -> Signer {
        Signer { session_token: Some(token.into()), ..self }
    }

    /// Signs all headers of the request (`host` must be there, `x-amz-date` must not) and the date made of `now_ms`.
    pub fn sign(&mut self, request: &SignedRequest<'_>, now_ms: u64) -> SignerHeaders {
        let date = date::basic(now_ms);
        let day = date.get(..8).unwrap_or_default();
        let mut headers: Vec<(&str, &[u8])> = request.headers.to_vec();
        headers.push(("x-amz-date", date.as_bytes()));
        if let Some(token) = &self.session_token {
            headers.push(("x-amz-security-token", token.as_bytes()));
        }
        let mut names: Vec<String> = headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort_unstable();
        names.dedup();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();

        if self.today.as_ref().is_none_or(|(of, _)| of != day) {
            self.today = SigningKey::of_day(&self.secret, day, &self.region).map(|key| (day.to_owned(), key));
        }
        let (_, key) = self.today.as_ref().expect("the scope was made of five parts just now");
        let scope = format!("{day}/{}/{SERVICE}/{TERMINATOR}", self.region);
        let request = SignedRequest { headers: &headers, ..*request };
        let signature = key.sign(&canonical::string_to_sign(&request, &names, &scope, &date, Form::Header));
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
            self.access_key,
            names.join(";")
        );
        SignerHeaders { authorization, date }
    }
}
