//! How much mail a realm sends to people who are none of its users: strangers are not written to at will.

use std::collections::BTreeMap;

use super::error::NotificationsError;
use super::store;
use crate::infra::db::PgConnection;
use crate::kernel::Email;

/// Most messages of a realm to such addresses within 24 hours.
const OF_REALM: i32 = 200;
/// Most messages to one of them within an hour.
const OF_ADDRESS: i32 = 5;
const DAY: &str = "24 hours";
const HOUR: &str = "1 hour";
/// The realm's, in the table of limits, where an address cannot have it.
const REALM: &str = "notifications";

/// Counts a message to each of these addresses, by their keys; or refuses all of them. In their order, after the
/// realm's: of two requests at the same time one waits for the other.
pub(super) async fn count(
    realm: &mut PgConnection,
    addresses: &BTreeMap<String, Email>,
) -> Result<(), NotificationsError> {
    if addresses.is_empty() {
        return Ok(());
    }
    let many = i32::try_from(addresses.len()).unwrap_or(i32::MAX);
    if many > OF_REALM || !store::count_messages(realm, REALM, many, (OF_REALM, DAY)).await? {
        let to = "people who are no users of this realm".to_owned();
        return Err(NotificationsError::Limit { most: OF_REALM, within: DAY, to });
    }
    for (key, address) in addresses {
        let key = format!("{REALM} {key}");
        if !store::count_messages(realm, &key, 1, (OF_ADDRESS, HOUR)).await? {
            let to = format!("{address}, who is no user of this realm");
            return Err(NotificationsError::Limit { most: OF_ADDRESS, within: HOUR, to });
        }
    }
    Ok(())
}
