//! AWS's published vectors, requests signed by botocore, our own signer, and everything that must be refused.

use super::*;
use claims::Form;
use proptest::prelude::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 20261124T093015Z, when the vectors were signed.
const NOW_MS: u64 = 1_795_512_615_000;

struct OneKey {
    session_token: Option<String>,
    disabled: bool,
}

impl Keyring for OneKey {
    fn credential(&self, access_key: &str) -> Option<Credential> {
        (access_key == "AKIDEXAMPLE").then(|| Credential {
            secret: SECRET.into(),
            session_token: self.session_token.as_deref().map(Into::into),
            disabled: self.disabled,
        })
    }
}

const KEY: OneKey = OneKey { session_token: None, disabled: false };

/// A request that owns what it is made of, so that tests may bend it.
#[derive(Clone, Default, Debug)]
struct Owned {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
    token: Option<String>,
}

impl Owned {
    fn verify_at(&self, keyring: &dyn Keyring, now_ms: u64) -> Result<Caller, ApiError> {
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let request = SignedRequest {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &headers,
            body: self.body.as_bytes(),
        };
        verify(&request, keyring, Now { ms: now_ms, skew_ms: SKEW_MS })
    }

    fn verify(&self) -> Result<Caller, ApiError> {
        self.verify_at(&OneKey { session_token: self.token.clone(), disabled: false }, NOW_MS)
    }

    fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    fn get(&self, name: &str) -> &str {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    /// The request with `from` replaced by `to` in its `Authorization`.
    fn authorization(&self, from: &str, to: &str) -> Owned {
        let mut request = self.clone();
        assert!(request.get("authorization").contains(from), "nothing to replace: {from}");
        let bent = request.get("authorization").replace(from, to);
        request.set("authorization", &bent);
        request
    }

    fn query(&self, from: &str, to: &str) -> Owned {
        assert!(self.query.contains(from), "nothing to replace: {from}");
        Owned { query: self.query.replace(from, to), ..self.clone() }
    }
}

fn vectors() -> Vec<(String, Owned)> {
    let mut found: Vec<(String, Owned)> = Vec::new();
    for line in include_str!("vectors/botocore.txt").lines().filter(|line| !line.starts_with('#')) {
        let (field, value) = line.split_once(' ').unwrap_or((line, ""));
        if field == "name" {
            found.push((value.to_owned(), Owned::default()));
            continue;
        }
        let Some((_, request)) = found.last_mut() else { continue };
        match field {
            "method" => request.method = value.to_owned(),
            "path" => request.path = value.to_owned(),
            "query" => request.query = value.to_owned(),
            "body" => request.body = value.to_owned(),
            "token" => request.token = Some(value.to_owned()),
            "header" => {
                let (name, value) = value.split_once(": ").expect("headers are written as name: value");
                request.headers.push((name.to_owned(), value.to_owned()));
            }
            _ => assert!(line.is_empty(), "unknown line {line}"),
        }
    }
    assert!(found.len() > 5, "the vectors are there");
    found
}

fn vector(name: &str) -> Owned {
    vectors().into_iter().find(|(other, _)| other == name).expect("a vector of that name").1
}

#[test]
fn requests_of_botocore_are_accepted_and_no_change_to_them() {
    for (name, request) in vectors() {
        assert_eq!(request.verify(), Ok(Caller { access_key: "AKIDEXAMPLE".into() }), "{name}");
        let mismatch = |bent: Owned, what: &str| match bent.verify() {
            Err(ApiError::InvalidSignature(text)) => {
                assert!(text.starts_with("The request signature we calculated"), "{name}, {what}: {text}")
            }
            other => panic!("{name}, {what}: {other:?}"),
        };
        mismatch(Owned { method: "PATCH".into(), ..request.clone() }, "method");
        mismatch(Owned { path: format!("{}x", request.path), ..request.clone() }, "path");
        mismatch(Owned { body: format!("{} ", request.body), ..request.clone() }, "body");
        mismatch(Owned { query: format!("{}&z=1", request.query), ..request.clone() }, "query");
        let mut bent = request.clone();
        bent.set("host", "elsewhere:8000");
        mismatch(bent, "host");
        if !request.get("x-amz-target").is_empty() {
            let mut bent = request.clone();
            bent.set("x-amz-target", "DynamoDB_20120810.DeleteTable");
            mismatch(bent, "target");
        }
    }
}

/// AWS's signature test suite, as far as it is written of a service other than ours: canonical form and signature.
#[test]
fn the_published_vectors_hold() {
    let check = |name: &str,
                 method: &str,
                 path: &str,
                 query: &str,
                 headers: &[(&str, &str)],
                 names: &[&str],
                 signature: &str| {
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let request = SignedRequest { method, path, query, headers: &headers, body: b"" };
        let scope = "20150830/us-east-1/service/aws4_request";
        let key = SigningKey::derive(&format!("AKIDEXAMPLE/{scope}"), SECRET).expect("five parts");
        let text = canonical::string_to_sign(&request, names, scope, "20150830T123600Z", Form::Header);
        let shown = String::from_utf8_lossy(&canonical::canonical_request(&request, names, Form::Header)).into_owned();
        assert_eq!(key.sign(&text), signature, "{name}\n{shown}");
    };
    let host = ("Host", "example.amazonaws.com");
    let date = ("X-Amz-Date", "20150830T123600Z");
    let usual = [host, date];
    let names = ["host", "x-amz-date"];
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    check("get-vanilla", "GET", "/", "", &usual, &names, vanilla);
    check("get-slash", "GET", "//", "", &usual, &names, vanilla);
    check("get-relative", "GET", "/example/..", "", &usual, &names, vanilla);
    check(
        "post-vanilla",
        "POST",
        "/",
        "",
        &usual,
        &names,
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    );
    check(
        "get-vanilla-query-order-key-case",
        "GET",
        "/",
        "Param2=value2&Param1=value1",
        &usual,
        &names,
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    );
    check(
        "get-utf8",
        "GET",
        "/\u{1234}",
        "",
        &usual,
        &names,
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
    );
    let spaced = [host, ("My-Header1", " value1"), ("My-Header2", " \"a   b   c\""), date];
    check(
        "get-header-value-trim",
        "GET",
        "/",
        "",
        &spaced,
        &["host", "my-header1", "my-header2", "x-amz-date"],
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    );
}

#[test]
fn our_signer_is_accepted() {
    let mut signer = Signer::new("AKIDEXAMPLE", SECRET, "eu-central-1").with_session_token("token");
    for (days, body) in [(0, "{}"), (0, ""), (1, "{\"a\":1}")] {
        let now_ms = NOW_MS + days * 86_400_000;
        let mut request = Owned {
            method: "POST".into(),
            path: "/".into(),
            body: body.into(),
            token: Some("token".into()),
            ..Owned::default()
        };
        request.set("Host", "127.0.0.1:8000");
        request.set("X-Amz-Target", "DynamoDB_20120810.GetItem");
        let headers: Vec<(&str, &[u8])> = request.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        let signed = signer.sign(
            &SignedRequest { method: "POST", path: "/", query: "", headers: &headers, body: body.as_bytes() },
            now_ms,
        );
        request.set("x-amz-date", &signed.date);
        request.set("authorization", &signed.authorization);
        request.set("x-amz-security-token", "token");
        let keyring = OneKey { session_token: request.token.clone(), disabled: false };
        assert!(request.verify_at(&keyring, now_ms).is_ok());
    }
}

/// Expects a refusal of that kind (the name of the variant) with a text that begins so.
fn check(name: &str, outcome: Result<Caller, ApiError>, kind: &str, text: &str) {
    let error = outcome.expect_err(name);
    let (found, message) = match &error {
        ApiError::MissingAuthenticationToken => ("missing", ""),
        ApiError::UnrecognizedClient => ("unrecognized", ""),
        ApiError::IncompleteSignature(text) => ("incomplete", text.as_str()),
        ApiError::InvalidSignature(text) => ("invalid", text.as_str()),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(found, kind, "{name}: {message}");
    assert!(message.starts_with(text), "{name}: {message}");
}

#[test]
fn what_is_missing_is_named() {
    let put = vector("put");
    let mut bare = put.clone();
    bare.headers.retain(|(name, _)| name != "Authorization");
    check("no authorization", bare.verify(), "missing", "");
    for other in ["", "Basic dXNlcjpwYXNz", "Bearer x"] {
        let mut request = put.clone();
        request.set("authorization", other);
        check(other, request.verify(), "missing", "");
    }
    check("algorithm", put.authorization("SHA256", "SHA1").verify(), "incomplete", "Unsupported AWS 'algorithm'");
    for name in ["Credential", "Signature", "SignedHeaders"] {
        let text = format!("Authorization header requires '{name}' parameter. Authorization=AWS4-HMAC-SHA256");
        check(name, put.authorization(name, "Other").verify(), "incomplete", &text);
    }
    check("no =", put.authorization("Credential=", "Credential").verify(), "incomplete", "'CredentialAKID");
    let mut request = put.clone();
    request.set("authorization", "AWS4-HMAC-SHA256");
    request.headers.retain(|(name, _)| name != "X-Amz-Date");
    let text = "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' \
                parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires \
                existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256";
    check("nothing", request.verify(), "incomplete", text);
    let mut request = put.clone();
    request.set("x-amz-date", "yesterday");
    check("date", request.verify(), "incomplete", "Date must be in ISO-8601 'basic format'. Got 'yesterday'.");
    check(
        "credential",
        put.authorization("/aws4_request", "").verify(),
        "incomplete",
        "Credential must have exactly 5",
    );
    check("no key", put.authorization("AKIDEXAMPLE/", "/").verify(), "incomplete", "Credential must have exactly 5");
    let many = format!("SignedHeaders={}content-type", "a;".repeat(1_000));
    check("many", put.authorization("SignedHeaders=content-type", &many).verify(), "incomplete", "'SignedHeaders' may");

    let presigned = vector("presigned");
    for name in ["X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"] {
        let text = format!("AWS query-string parameters must include '{name}'. Re-examine");
        check(name, presigned.query(name, "X-Other").verify(), "incomplete", &text);
    }
    check("no algorithm", presigned.query("X-Amz-Algorithm", "X-Other").verify(), "missing", "");
    check("expires", presigned.query("Expires=300", "Expires=soon").verify(), "incomplete", "X-Amz-Expires should be");
    check("expires", presigned.query("Expires=300", "Expires=604801").verify(), "incomplete", "X-Amz-Expires must be");
    let mut both = presigned.clone();
    both.set("authorization", put.get("authorization"));
    check("both forms", both.verify(), "invalid", "Found both 'X-Amz-Algorithm'");
}

#[test]
fn scope_headers_and_time_are_checked() {
    let put = vector("put");
    let text = "Credential should be scoped to correct service: 'dynamodb'. ";
    check("service", put.authorization("/dynamodb/", "/s3/").verify(), "invalid", text);
    check(
        "region",
        put.authorization("/us-east-1/", "//").verify(),
        "invalid",
        "Credential should be scoped to a valid",
    );
    check(
        "term",
        put.authorization("aws4_request", "aws5").verify(),
        "invalid",
        "Credential should be scoped with a valid",
    );
    check(
        "day",
        put.authorization("/20261124/", "/20261123/").verify(),
        "invalid",
        "Date in Credential scope does not",
    );
    check("host", put.authorization(";host", "").verify(), "invalid", "'Host' or ':authority' must be");
    check("target", put.authorization(";x-amz-target", "").verify(), "invalid", "'X-Amz-Target' must be");

    let minute = 60_000;
    assert!(put.verify_at(&KEY, NOW_MS + 15 * minute).is_ok());
    assert!(put.verify_at(&KEY, NOW_MS - 15 * minute).is_ok());
    let text = "Signature expired: 20261124T093015Z is now earlier than 20261124T093115Z (20261124T094615Z - 15 min.)";
    check("late", put.verify_at(&KEY, NOW_MS + 16 * minute), "invalid", text);
    let text =
        "Signature not yet current: 20261124T093015Z is still later than 20261124T092915Z (20261124T091415Z + 15 min.)";
    check("early", put.verify_at(&KEY, NOW_MS - 16 * minute), "invalid", text);

    let presigned = vector("presigned");
    assert!(presigned.verify_at(&KEY, NOW_MS + 5 * minute).is_ok());
    check("presigned late", presigned.verify_at(&KEY, NOW_MS + 6 * minute), "invalid", "Signature expired: ");
    check("longer", presigned.query("Expires=300", "Expires=3000").verify(), "invalid", "The request signature we");
}

#[test]
fn unknown_and_disabled_keys_and_wrong_tokens_are_not_recognised() {
    let put = vector("put");
    check("unknown", put.authorization("AKIDEXAMPLE", "AKIDOTHER").verify(), "unrecognized", "");
    check("disabled", put.verify_at(&OneKey { session_token: None, disabled: true }, NOW_MS), "unrecognized", "");
    let token = vector("session token");
    check("token not asked for", token.verify_at(&KEY, NOW_MS), "unrecognized", "");
    let other = OneKey { session_token: Some("other".into()), disabled: false };
    check("wrong token", token.verify_at(&other, NOW_MS), "unrecognized", "");
    check("no token", put.verify_at(&other, NOW_MS), "unrecognized", "");
    check("forged", put.authorization("Signature=e", "Signature=f").verify(), "invalid", "The request signature we");
    check("short", put.authorization("Signature=ea32", "Signature=").verify(), "invalid", "The request signature we");
    check(
        "empty",
        put.authorization("Signature=ea32", "Signature=,x=").verify(),
        "invalid",
        "The request signature we",
    );
}

#[test]
fn a_date_header_may_stand_for_x_amz_date() {
    let mut request = Owned { method: "POST".into(), path: "/".into(), ..Owned::default() };
    request.set("host", "localhost");
    request.set("date", "Tue, 24 Nov 2026 09:30:15 GMT");
    let headers: Vec<(&str, &[u8])> = request.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
    let plain = SignedRequest { method: "POST", path: "/", query: "", headers: &headers, body: b"" };
    let scope = "20261124/x/dynamodb/aws4_request";
    let text = canonical::string_to_sign(&plain, &["date", "host"], scope, "20261124T093015Z", Form::Header);
    let signature = SigningKey::derive(&format!("AKIDEXAMPLE/{scope}"), SECRET).expect("five parts").sign(&text);
    request.set(
        "authorization",
        &format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope},SignedHeaders=date;host,Signature={signature}"),
    );
    assert_eq!(request.verify(), Ok(Caller { access_key: "AKIDEXAMPLE".into() }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Whatever stands in place of a part of a good request: no panic, and nobody is let in.
    #[test]
    fn hostile_requests_are_refused(
        name in prop::sample::select(vec!["put", "session token", "presigned", "presigned GET"]),
        at in any::<prop::sample::Index>(),
        length in 0usize..40,
        put in ".{0,20}",
        part in 0usize..4,
    ) {
        let mut request = vector(name);
        let bend = |text: &str| {
            let characters: Vec<char> = text.chars().collect();
            let from = at.index(characters.len() + 1);
            let rest = characters.iter().skip(from + length);
            characters.iter().take(from).copied().chain(put.chars()).chain(rest.copied()).collect::<String>()
        };
        let before = (request.query.clone(), request.headers.clone(), request.path.clone());
        match part {
            0 => request.query = bend(&request.query),
            1 => request.path = bend(&request.path),
            _ => {
                let count = request.headers.len();
                let header = &mut request.headers[at.index(count)];
                header.1 = bend(&header.1);
            }
        }
        let changed = before != (request.query.clone(), request.headers.clone(), request.path.clone());
        if request.verify().is_ok() && changed {
            // Blanks, dots in paths and what is not signed may change.
            let authorized = before.1.iter().zip(&request.headers).all(|(old, new)| {
                old == new || old.0 == "User-Agent" || old.1.split_whitespace().eq(new.1.split_whitespace())
                    || (old.0 == "Content-Type" && name.starts_with("session"))
                    || old.0 == "Authorization"
            });
            prop_assert!(authorized, "{request:?}");
        }
    }
}
