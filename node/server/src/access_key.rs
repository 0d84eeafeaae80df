//! New access keys, and the first one of a cluster.

use crate::error::ServerError;
use base64::{Engine, engine::general_purpose::STANDARD};
use stator_catalog::{Change, Secret};
use stator_cluster::{ChangeError, Node};
use stator_environment::Random;
use std::{sync::Arc, time::Duration};

/// As long as AWS's, and as AWS's it begins with four letters that say what it is.
const ID_BEGINS: &str = "STTR";
const ID_LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const ID_RANDOM_LENGTH: usize = 16;
const SECRET_RANDOM_BYTES: usize = 30;

const ROOT_ID: &str = "STATOR_ROOT_ACCESS_KEY";
const ROOT_SECRET: &str = "STATOR_ROOT_SECRET_KEY";
const ROOT_DESCRIPTION: &str = "made by the first start";
const CREATE_MAX: Duration = Duration::from_secs(10);

/// A key and its secret.
#[derive(Clone)]
pub struct KeyPair {
    pub id: String,
    pub secret: Secret<Arc<str>>,
}

impl KeyPair {
    /// A new one: 80 random bits of id, 240 of secret.
    pub fn generate(random: &dyn Random) -> KeyPair {
        let mut bytes = [0; ID_RANDOM_LENGTH];
        random.fill(&mut bytes);
        let letters = bytes.iter().map(|byte| char::from(ID_LETTERS[usize::from(byte % 32)]));
        let id = ID_BEGINS.chars().chain(letters).collect();
        let mut bytes = [0; SECRET_RANDOM_BYTES];
        random.fill(&mut bytes);
        KeyPair { id, secret: Secret(STANDARD.encode(bytes).into()) }
    }
}

/// Where the root key came from.
pub enum RootKey {
    /// The cluster has its keys already.
    NotNeeded,
    /// The environment gave it.
    Given,
    /// Made now; to be shown once.
    Made(KeyPair),
}

/// Gives a cluster without any access key its first one.
pub async fn ensure_root(node: &Node, random: &dyn Random) -> Result<RootKey, ServerError> {
    let given = given()?;
    let catalog = node.catalog();
    if catalog.access_keys().len() > 0 {
        if let Some(given) = given.filter(|given| catalog.access_key(&given.id).is_none()) {
            tracing::warn!(
                id = given.id,
                "{ROOT_ID} is ignored: the cluster has its access keys already; `stator keys create` makes another one"
            );
        }
        return Ok(RootKey::NotNeeded);
    }
    let (pair, is_given) = match given {
        Some(given) => (given, true),
        None => (KeyPair::generate(random), false),
    };
    create(node, &pair, ROOT_DESCRIPTION.to_owned(), true).await?;
    Ok(if is_given { RootKey::Given } else { RootKey::Made(pair) })
}

/// Has the catalog take a key in.
pub async fn create(node: &Node, pair: &KeyPair, description: String, is_root: bool) -> Result<(), ChangeError> {
    let change = Change::CreateKey { id: pair.id.clone(), secret: pair.secret.clone(), description, is_root };
    node.change(change, node.deadline(CREATE_MAX)).await.map(|_| ())
}

fn given() -> Result<Option<KeyPair>, ServerError> {
    let read = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    match (read(ROOT_ID), read(ROOT_SECRET)) {
        (None, None) => Ok(None),
        (Some(id), Some(secret)) if is_id(&id) => Ok(Some(KeyPair { id, secret: Secret(secret.into()) })),
        (Some(_), Some(_)) => Err(ServerError::Usage(format!("{ROOT_ID} must be 1 to 128 letters, digits or _"))),
        (None, Some(_)) => Err(ServerError::Usage(format!("{ROOT_SECRET} is set, but {ROOT_ID} is not"))),
        (Some(_), None) => Err(ServerError::Usage(format!("{ROOT_ID} is set, but {ROOT_SECRET} is not"))),
    }
}

/// An id stands in the Authorization header between slashes and commas.
fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use stator_environment::SystemRandom;

    #[test]
    fn keys_look_like_those_of_aws_and_differ() {
        let (one, two) = (KeyPair::generate(&SystemRandom), KeyPair::generate(&SystemRandom));
        assert_eq!((one.id.len(), one.secret.0.len()), (20, 40));
        assert!(is_id(&one.id) && one.id != two.id && one.secret != two.secret);
        assert!(!is_id("") && !is_id("a/b") && !is_id("ä"));
    }
}
