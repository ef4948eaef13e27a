//! The types of Nexus's own events, by their names, and the actions of realms' logs that are none.

use super::types::{EventType, Field, Holds};

/// A type: name, version, permission, what it is about, of which actions, and its fields.
macro_rules! types {
    ($($name:literal $version:literal $permission:literal $about:literal [$($action:literal)*]
       { $($mark:tt $field:ident $from:literal $holds:ident $text:literal,)* })*) => {
        pub(super) static TYPES: &[EventType] = &[$(EventType {
            name: $name,
            version: $version,
            about: $about,
            permission: $permission,
            actions: &[$($action),*],
            fields: &[$(Field {
                name: stringify!($field),
                from: $from,
                holds: Holds::$holds,
                about: $text,
                required: required!($mark),
            }),*],
        }),*];
    };
}

/// `!`: it is always there.
macro_rules! required {
    (!) => {
        true
    };
    (?) => {
        false
    };
}

types! {
    "api_key.created" 1 "api-key:read" "an API key was created" ["api_key.create"] {
        ! api_key_id "key" Id "the key's id",
        ! user_id "user" Id "whose it is",
        ! name "name" Text "its name",
        ! scopes "scopes" Texts "the permissions that it is limited to; none: all of its user's",
    }
    "api_key.revoked" 1 "api-key:read" "an API key was revoked" ["api_key.revoke"] {
        ! api_key_id "key" Id "the key's id",
        ! user_id "user" Id "whose it was",
    }
    "custom_field.created" 1 "settings:read" "a custom field was created" ["custom_field.create"] {
        ! field "field" Text "its name",
        ! applies_to "applies_to" Text "users or groups",
        ! type "type" Text "the type of its values",
    }
    "custom_field.deleted" 1 "settings:read" "a custom field was deleted, with its values" ["custom_field.delete"] {
        ! field "field" Text "its name",
        ! applies_to "applies_to" Text "users or groups",
        ! values "values" Count "how many users or groups had a value",
    }
    "custom_field.updated" 1 "settings:read" "a custom field was changed" ["custom_field.update"] {
        ! field "field" Text "its name",
        ! applies_to "applies_to" Text "users or groups",
    }
    "file.completed" 1 "file:read" "a file was uploaded, and can be downloaded" ["file.complete"] {
        ! file_id "file" Id "the file's id",
        ! name "name" Text "its name",
        ! size "size" Count "its bytes",
    }
    "file.deleted" 1 "file:read" "a file was deleted" ["file.delete"] {
        ! file_id "file" Id "the file's id",
        ! name "name" Text "its name",
    }
    "file.updated" 1 "file:read" "a file was renamed, or attached to something else" ["file.update"] {
        ! file_id "file" Id "the file's id",
        ! name "name" Text "its name from now on",
    }
    "group.created" 1 "group:read" "a group was created" ["group.create"] {
        ! group "group" Text "its name",
        ? parent "parent" Text "the group that it is part of",
    }
    "group.deleted" 1 "group:read" "a group was deleted" ["group.delete"] {
        ! group "group" Text "its name",
    }
    "group.member_added" 1 "group:read" "a user became a member of a group" ["group.add"] {
        ! group "group" Text "the group's name",
        ! user_id "user" Id "who",
    }
    "group.member_removed" 1 "group:read" "a user is no longer a member of a group" ["group.remove"] {
        ! group "group" Text "the group's name",
        ! user_id "user" Id "who",
    }
    "group.moved" 1 "group:read" "a group became part of another, or of none" ["group.move"] {
        ! group "group" Text "its name",
        ? parent "parent" Text "the group that it is part of from now on",
    }
    "group.updated" 1 "group:read" "a group was changed" ["group.update"] {
        ! group "group" Text "its name before",
        ? name "name" Text "its name from now on, where it was renamed",
    }
    "notification.inbox_changed" 1 "notification:read" "a user read or deleted some of their inbox; they hear of their own without a permission" [] {
        ! user_id "user" Id "whose inbox it is",
        ! unread "unread" Count "how many are not read after that",
    }
    "notification.received" 1 "notification:read" "a notification came into a user's inbox; they hear of their own without a permission" [] {
        ! user_id "user" Id "whose inbox it is",
        ! notification_id "notification" Id "the notification's id",
        ! unread "unread" Count "how many are not read with it",
    }
    "notification.suppression_created" 1 "notification:read" "an address was suppressed: mail to it is stopped" ["suppression.create"] {
        ! suppression_id "suppression" Id "the suppression's id",
        ! scope "scope" Text "which mail is stopped: bulk or all",
        ! reason "reason" Text "why: hard_bounce, complaint, unsubscribe or manual",
    }
    "notification.suppression_deleted" 1 "notification:read" "a suppression was removed: mail to its address is sent again" ["suppression.delete"] {
        ! suppression_id "suppression" Id "the suppression's id",
        ! scope "scope" Text "which mail was stopped: bulk or all",
        ! reason "reason" Text "why it was: hard_bounce, complaint, unsubscribe or manual",
    }
    "role.created" 1 "role:read" "a role was created" ["role.create"] {
        ! role "role" Text "its name",
    }
    "role.deleted" 1 "role:read" "a role was deleted" ["role.delete"] {
        ! role "role" Text "its name",
    }
    "role.granted" 1 "role:read" "a role was granted to a user or a group" ["role.grant"] {
        ! role "role" Text "the role's name",
        ? user_id "user" Id "the user",
        ? group "group" Text "the group's name",
    }
    "role.permission_added" 1 "role:read" "a role allows a permission from now on" ["role.allow"] {
        ! role "role" Text "the role's name",
        ! permission "permission" Text "the permission",
    }
    "role.permission_removed" 1 "role:read" "a role no longer allows a permission" ["role.disallow"] {
        ! role "role" Text "the role's name",
        ! permission "permission" Text "the permission",
    }
    "role.revoked" 1 "role:read" "a role was revoked from a user or a group" ["role.revoke"] {
        ! role "role" Text "the role's name",
        ? user_id "user" Id "the user",
        ? group "group" Text "the group's name",
    }
    "role.updated" 1 "role:read" "a role was renamed, or its description changed" ["role.update"] {
        ! role "role" Text "its name before",
        ? name "name" Text "its name from now on, where it was renamed",
    }
    "session.revoked" 1 "session:read" "sessions of a user were ended" ["user.sessions.revoke"] {
        ! user_id "user" Id "whose they were",
        ? session_id "session" Id "the session, where it was one",
        ? sessions "sessions" Count "how many, where it was all",
    }
    "setting.updated" 1 "settings:read" "settings of the realm were changed" ["settings.update"] {
        ! settings "keys" Texts "their names",
    }
    "user.created" 1 "user:read" "a user was created; for one who registers see user.verified" ["user.create"] {
        ! user_id "user" Id "who",
        ! state "state" Text "active or invited",
        ! roles "roles" Texts "the roles that they were granted",
        ! groups "groups" Texts "the groups that they became a member of",
    }
    "user.deleted" 1 "user:read" "a user was deleted, and can be undeleted for a while" ["user.delete"] {
        ! user_id "user" Id "who",
        ? sessions "sessions" Count "how many of their sessions ended",
    }
    "user.disabled" 1 "user:read" "a user was disabled: they cannot sign in" ["user.disable"] {
        ! user_id "user" Id "who",
        ? sessions "sessions" Count "how many of their sessions ended",
    }
    "user.enabled" 1 "user:read" "a disabled user was enabled" ["user.enable"] {
        ! user_id "user" Id "who",
        ? state "state" Text "active or invited",
    }
    "user.erased" 1 "user:read" "a deleted user was erased: nothing of them is left" ["user.erase"] {
        ! user_id "user" Id "who",
    }
    "user.locked" 1 "user:read" "a user was locked after too many wrong passwords" ["user.lock"] {
        ! user_id "user" Id "who",
    }
    "user.password_changed" 1 "user:read" "a user's password was changed"
        ["user.password.change" "user.password.redeem" "user.password.set"] {
        ! user_id "user" Id "who",
        ? sessions "sessions" Count "how many of their sessions ended",
    }
    "user.second_factor_added" 1 "user:read" "a user confirmed a second factor" ["user.factor.confirm"] {
        ! user_id "user" Id "who",
    }
    "user.second_factor_removed" 1 "user:read" "a user's second factor was removed" ["user.factor.remove"] {
        ! user_id "user" Id "who",
    }
    "user.undeleted" 1 "user:read" "a deleted user was undeleted" ["user.undelete"] {
        ! user_id "user" Id "who",
    }
    "user.unlocked" 1 "user:read" "a locked user was unlocked" ["user.unlock"] {
        ! user_id "user" Id "who",
    }
    "user.updated" 1 "user:read" "a user was changed" ["user.update"] {
        ! user_id "user" Id "who",
        ! fields "fields" Texts "what was changed: email, name, profile, fields",
    }
    "user.verified" 1 "user:read" "a user who registered confirmed their address" ["user.verify"] {
        ! user_id "user" Id "who",
    }
    "webhook.disabled" 1 "webhook:read" "events are no longer sent to a webhook" ["webhook.disable"] {
        ! webhook_id "webhook" Id "the webhook's id",
        ! reason "reason" Text "why: request, gone (its receiver said so) or failing (for five days)",
    }
    "webhook.failing" 1 "webhook:read" "a webhook has taken no event for a day" [] {
        ! webhook_id "webhook" Id "the webhook's id",
        ! since "since" Text "when the first of its failures was",
    }
}

/// What is in realms' logs and is no event: what ends nothing and changes nothing that is there, what is only asked
/// for, signing in and out, what concerns operators and tokens alone, and how people and other systems are told.
pub(super) const ACTIONS_WITHOUT_EVENT: &[&str] = &[
    "custom_field.clear",
    "file.create",
    "file.refuse",
    "file.renew",
    "file.sweep",
    "mail_provider.remove",
    "mail_provider.set",
    "notification.cancel",
    "notification.retry",
    "notification.send",
    "notification_preferences.set",
    "notification_template.reset",
    "notification_template.set",
    "operator.grant",
    "operator.look",
    "operator.revoke",
    "permission.register",
    "refresh.begin",
    "refresh.late",
    "refresh.reuse",
    "token.impersonate",
    "token.switch",
    "user.factor.enrol",
    "user.invite",
    "user.message.resend",
    "user.password.forgotten",
    "user.password.reset",
    "user.register",
    "user.sign_in",
    "user.sign_out",
    "service.register",
    "service.remove",
    "webhook.create",
    "webhook.delete",
    "webhook.enable",
    "webhook.redeliver",
    "webhook.replay",
    "webhook.rotate",
    "webhook.test",
    "webhook.update",
];
