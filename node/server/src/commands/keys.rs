//! `stator keys`: who may call the API.

use super::connection::{connect, told};
use crate::{
    error::ServerError,
    settings::{KeysCommand, Target},
    show,
};
use stator_proto::admin::{CreateKeyRequest, DeleteKeyRequest, DisableKeyRequest, ListKeysRequest, key::Status};

pub async fn run(command: KeysCommand, target: Target) -> Result<(), ServerError> {
    let mut admin = connect(&target).await?;
    match command {
        KeysCommand::Create { description } => {
            let reply = admin.create_key(CreateKeyRequest { description }).await.map_err(told)?.into_inner();
            let id = reply.key.map(|key| key.access_key_id).unwrap_or_default();
            show::key_pair("Access key", &id, &reply.secret_access_key);
        }
        KeysCommand::List => {
            let keys = admin.list_keys(ListKeysRequest {}).await.map_err(told)?.into_inner().keys;
            let rows = keys.iter().map(|key| {
                let status = if key.status() == Status::Disabled { "disabled" } else { "active" };
                let root = if key.root { "root" } else { "" };
                let created = show::date(key.created_ms);
                vec![key.access_key_id.clone(), status.to_owned(), created, root.to_owned(), key.description.clone()]
            });
            show::table(&["ACCESS KEY ID", "STATUS", "CREATED", "ROOT", "DESCRIPTION"], rows.collect());
        }
        KeysCommand::Disable { access_key_id } => {
            admin.disable_key(DisableKeyRequest { access_key_id: access_key_id.clone() }).await.map_err(told)?;
            show::line(&format!("{access_key_id} is disabled"));
        }
        KeysCommand::Delete { access_key_id } => {
            admin.delete_key(DeleteKeyRequest { access_key_id: access_key_id.clone() }).await.map_err(told)?;
            show::line(&format!("{access_key_id} is deleted"));
        }
    }
    Ok(())
}
