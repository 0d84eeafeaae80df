//! Code: what a request carries, UpdateFunctionCode, and where code is fetched again.

use super::{FUNCTION, REVISION, function, functions::made_json, revision};
use crate::{error_table::LambdaError, names::FunctionReference, request::HttpRequest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};
use stator_api::{
    arn::Owner,
    reader::{Member, Members, Names, Shape, Structure},
};
use stator_catalog::{ClusterIdentity, Function, FunctionChange, FunctionChangeKind, UploadedCode};
use stator_item::json::{Json, binary_from_json};
use std::fmt;

/// Most bytes of a zip that comes with a request (50 MB).
const ZIP_BYTES_MAX: usize = 50 << 20;
/// Where code may lie that is not sent along.
pub(super) const CODE_MEMBERS_REFUSED: [Member; 6] = [
    Member::not_yet("S3Bucket"),
    Member::not_yet("S3Key"),
    Member::not_yet("S3ObjectVersion"),
    Member::not_yet("S3ObjectStorageMode"),
    Member::not_yet("ImageUri"),
    Member::not_yet("SourceKMSKeyArn"),
];
static ARCHITECTURE: Shape = Shape::String(Names::Enum(&["x86_64", "arm64"]));
pub(super) static ARCHITECTURES: Shape = Shape::List { of: &ARCHITECTURE, min: 1, max: 1 };

static INPUT: Structure = Structure {
    name: "UpdateFunctionCodeRequest",
    members: &[
        FUNCTION,
        Member::optional("ZipFile", &Shape::Binary),
        Member::optional("Publish", &Shape::Boolean),
        Member::optional("DryRun", &Shape::Boolean),
        Member::optional("Architectures", &ARCHITECTURES),
        REVISION,
        Member::not_yet("PublishTo"),
        CODE_MEMBERS_REFUSED[0],
        CODE_MEMBERS_REFUSED[1],
        CODE_MEMBERS_REFUSED[2],
        CODE_MEMBERS_REFUSED[3],
        CODE_MEMBERS_REFUSED[4],
        CODE_MEMBERS_REFUSED[5],
    ],
};

/// UpdateFunctionCode.
#[derive(Clone, PartialEq, Debug)]
pub struct UpdateFunctionCode {
    pub function: FunctionReference,
    pub zip: Vec<u8>,
    /// Only checked.
    pub is_dry: bool,
    publish: bool,
    is_arm: Option<bool>,
    if_revision: Option<u128>,
}

impl UpdateFunctionCode {
    pub fn parse(request: &HttpRequest<'_>) -> Result<UpdateFunctionCode, LambdaError> {
        let read = request.read(&[], &INPUT)?;
        let members = read.members();
        let function = function(members)?.unqualified()?;
        let Some(zip) = read_zip(members.json("ZipFile"))? else {
            return Err(LambdaError::invalid("Please provide a source for function code."));
        };
        Ok(UpdateFunctionCode {
            function,
            zip,
            is_dry: members.flag("DryRun").unwrap_or_default(),
            publish: members.flag("Publish").unwrap_or_default(),
            is_arm: read_architecture(members),
            if_revision: revision(members),
        })
    }

    /// `revision`: random.
    pub fn change(&self, code: UploadedCode, code_bytes_max: Option<u64>, revision: u128) -> FunctionChange {
        let (is_arm, publish) = (self.is_arm, self.publish);
        FunctionChange {
            function: self.function.name.clone(),
            what: FunctionChangeKind::UpdateCode { code, is_arm, publish, code_bytes_max },
            revision,
            if_revision: self.if_revision,
        }
    }

    pub fn json(&self, function: &Function, owner: &Owner) -> Value {
        made_json(function, self.publish && !self.is_dry, owner)
    }
}

/// The zip of a checked member.
pub(super) fn read_zip(member: Option<&Json<'_>>) -> Result<Option<Vec<u8>>, LambdaError> {
    let Some(member) = member else { return Ok(None) };
    let zip = binary_from_json(member).map_err(|_| LambdaError::internal())?;
    if zip.is_empty() {
        return Err(LambdaError::invalid("Uploaded file must be a non-empty zip"));
    }
    if zip.len() > ZIP_BYTES_MAX {
        return Err(LambdaError::invalid(format!("Zipped size must be smaller than {ZIP_BYTES_MAX} bytes")));
    }
    Ok(Some(zip.into()))
}

pub(super) fn read_architecture(members: Members<'_>) -> Option<bool> {
    members.list("Architectures")?.first()?.as_str().map(|architecture| architecture == "arm64")
}

/// How long a location of code may be used (AWS: ten minutes).
const LOCATION_MS_MAX: u64 = 10 * 60 * 1_000;

/// Makes and knows the tokens with which code may be fetched: hash | until | code over both, in base64.
#[derive(Clone)]
pub struct CodeKey([u8; 32]);

impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeKey")
    }
}

impl CodeKey {
    const PLAIN_BYTES: usize = 32 + 8;

    /// From what only the cluster's nodes know.
    pub fn of(identity: &ClusterIdentity) -> CodeKey {
        let mut hash = Sha256::new();
        hash.update(b"locations of code");
        hash.update(identity.cluster_id.to_be_bytes());
        hash.update(&identity.authority.0);
        CodeKey(hash.finalize().into())
    }

    fn mac(&self, plain: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(plain);
        mac
    }

    /// A token for that code, for some minutes from now on.
    pub fn token(&self, sha256: &[u8; 32], now_ms: u64) -> String {
        let mut bytes = sha256.to_vec();
        bytes.extend(now_ms.saturating_add(LOCATION_MS_MAX).to_be_bytes());
        let code = self.mac(&bytes).finalize().into_bytes();
        bytes.extend(code);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The code that a token lets its bearer fetch now.
    pub fn open(&self, token: &str, now_ms: u64) -> Option<[u8; 32]> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (plain, code) = bytes.split_at_checked(CodeKey::PLAIN_BYTES)?;
        self.mac(plain).verify_slice(code).ok()?;
        let (sha256, until) = plain.split_at_checked(32)?;
        let until_ms = u64::from_be_bytes(until.try_into().ok()?);
        (now_ms <= until_ms).then_some(())?;
        sha256.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stator_catalog::Secret;

    #[test]
    fn tokens_are_those_given_out_and_expire() {
        let key = |cluster_id| {
            CodeKey::of(&ClusterIdentity {
                cluster_id,
                region: "us-east-1".into(),
                account_id: "000000000000".into(),
                authority: Secret(bytes::Bytes::from_static(b"ca")),
            })
        };
        let token = key(1).token(&[7; 32], 1_000);
        assert_eq!(key(1).open(&token, 1_000), Some([7; 32]));
        assert_eq!(key(1).open(&token, 1_000 + LOCATION_MS_MAX), Some([7; 32]));
        assert_eq!(key(1).open(&token, 1_001 + LOCATION_MS_MAX), None);
        assert_eq!(key(2).open(&token, 1_000), None);
        assert_eq!(key(1).open(&token[..20], 1_000), None);
        assert_eq!(key(1).open("", 1_000), None);
        let changed = token.replacen('B', "C", 1);
        assert!(changed == token || key(1).open(&changed, 1_000).is_none());
    }
}
