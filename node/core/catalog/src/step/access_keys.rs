//! Access keys.

use crate::{ACCESS_KEYS_MAX, AccessKey, Catalog, CatalogRefusal, Outcome};

impl Catalog {
    pub(super) fn create_key(&mut self, key: AccessKey) -> Result<Outcome, CatalogRefusal> {
        match self.access_keys.get(&key.id) {
            // The same pair again: a repeat whose first reply was lost, or a root key from the environment.
            Some(known) if known.secret == key.secret => return Ok(Outcome::Unchanged),
            Some(_) => return Err(CatalogRefusal::KeyExists(key.id)),
            None if self.access_keys.len() >= ACCESS_KEYS_MAX => {
                return Err(CatalogRefusal::KeysMax { max: ACCESS_KEYS_MAX });
            }
            None => {}
        }
        self.access_keys.insert(key.id.clone(), key);
        Ok(Outcome::Done)
    }

    pub(super) fn set_key(&mut self, id: String, disabled: bool) -> Result<Outcome, CatalogRefusal> {
        let Some(key) = self.access_keys.get_mut(&id) else {
            return Err(CatalogRefusal::NoSuchKey(id));
        };
        let changed = std::mem::replace(&mut key.disabled, disabled) != disabled;
        Ok(super::done_if(changed))
    }

    pub(super) fn delete_key(&mut self, id: String) -> Result<Outcome, CatalogRefusal> {
        match self.access_keys.remove(&id) {
            Some(_) => Ok(Outcome::Done),
            None => Err(CatalogRefusal::NoSuchKey(id)),
        }
    }
}
