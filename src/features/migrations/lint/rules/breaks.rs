//! Rules about what programs of the version before cannot live with, and about lost data.

use super::{Effect::Breaks, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule::squawk(
        "ban-drop-table",
        Breaks,
        "a table is dropped, with its data",
        "remove it from the programs first; drop it once all of them are new, and say so in a waiver",
    ),
    Rule::squawk(
        "ban-drop-column",
        Breaks,
        "a column is dropped, with its data",
        "remove it from the programs first; drop it once all of them are new, and say so in a waiver",
    ),
    Rule::squawk(
        "ban-truncate-cascade",
        Breaks,
        "TRUNCATE ... CASCADE empties tables that are not named",
        "name every table that is to be emptied",
    ),
    Rule::squawk(
        "adding-required-field",
        Breaks,
        "a new column is NOT NULL without a default: it fails where there are rows, and old programs cannot insert",
        "give it a default that is not volatile, or let it be null at first",
    ),
    Rule::squawk(
        "renaming-column",
        Breaks,
        "a column gets another name",
        "add a column of the new name, keep both filled, drop the old one once all programs are new",
    ),
    Rule::squawk(
        "renaming-table",
        Breaks,
        "a table gets another name",
        "leave a view of the old name in its place, in the same file, and drop it later",
    ),
    Rule::squawk(
        "renaming-object",
        Breaks,
        "a view, function, type, sequence or other object gets another name",
        "make one of the new name beside it, and drop the old one once all programs are new",
    ),
    Rule::squawk(
        "ban-set-schema",
        Breaks,
        "an object moves to another schema, where old programs do not find it",
        "leave a view in its place, in the same file, and drop it later",
    ),
    Rule::squawk(
        "ban-drop-not-null",
        Breaks,
        "a column may be null from now on, and old programs do not expect it",
        "update the programs first, then say so in a waiver",
    ),
    Rule::squawk(
        "ban-drop-default",
        Breaks,
        "a column loses its default, and old programs leave it out when they insert",
        "have the programs give a value first, then say so in a waiver",
    ),
    Rule::squawk(
        "ban-alter-identity",
        Breaks,
        "an identity column changes, and old programs may not be able to insert",
        "update the programs first, then say so in a waiver",
    ),
    Rule::squawk(
        "ban-drop-generated-expression",
        Breaks,
        "a generated column becomes a plain one, which old programs do not fill",
        "update the programs first, then say so in a waiver",
    ),
    Rule::squawk(
        "ban-drop-view",
        Breaks,
        "a view is dropped",
        "write CREATE OR REPLACE VIEW, or drop it once no program uses it",
    ),
    Rule::squawk(
        "ban-drop-function",
        Breaks,
        "a function is dropped",
        "write CREATE OR REPLACE FUNCTION, or drop it once no program uses it",
    ),
    Rule::squawk(
        "ban-drop-type",
        Breaks,
        "a type is dropped",
        "drop it once no program uses it, and say so in a waiver",
    ),
    Rule::squawk(
        "ban-drop-domain",
        Breaks,
        "a domain is dropped",
        "drop it once no program uses it, and say so in a waiver",
    ),
    Rule::squawk(
        "ban-drop-sequence",
        Breaks,
        "a sequence is dropped",
        "drop it once no program uses it, and say so in a waiver",
    ),
    Rule::squawk(
        "ban-drop-schema",
        Breaks,
        "a schema is dropped",
        "drop it once no program uses it, and say so in a waiver",
    ),
    Rule::squawk(
        "ban-drop-extension",
        Breaks,
        "an extension is dropped, with everything in it",
        "drop it once no program uses it, and say so in a waiver",
    ),
    Rule::squawk(
        "ban-drop-constraint",
        Breaks,
        "a constraint is dropped, on which programs may rely",
        "make sure that no program relies on it",
    )
    .strict(),
    Rule::squawk("ban-drop-index", Breaks, "an index is dropped", "make sure that no query needs it")
        .strict(),
    Rule::squawk(
        "ban-drop-trigger",
        Breaks,
        "a trigger is dropped",
        "make sure that no program relies on it",
    )
    .strict(),
    Rule::squawk("ban-disable-trigger", Breaks, "a trigger is disabled", "enable it again in the same file")
        .strict(),
    Rule::squawk(
        "ban-set-default",
        Breaks,
        "a default changes",
        "make sure that no program relies on the old one",
    )
    .strict(),
    Rule::squawk(
        "ban-add-enum-value",
        Breaks,
        "an enum gets a value that old programs do not know",
        "update the programs first",
    )
    .strict(),
    Rule::squawk(
        "ban-add-composite-attribute",
        Breaks,
        "a composite type gets an attribute that old programs do not expect",
        "update the programs first",
    )
    .strict(),
    Rule::squawk(
        "ban-new-write-restriction",
        Breaks,
        "a new constraint, unique index or rule refuses what old programs write",
        "make sure that all programs keep to it first",
    )
    .strict(),
    Rule::squawk(
        "ban-alter-sequence-values",
        Breaks,
        "a sequence gives other values from now on",
        "make sure that no value is given twice",
    )
    .strict(),
    Rule::squawk(
        "ban-detach-inheritance",
        Breaks,
        "a partition or child table leaves its parent, and its rows with it",
        "make sure that no program needs them there",
    )
    .strict(),
    Rule::squawk(
        "ban-replica-identity",
        Breaks,
        "a publication or replica identity changes",
        "check the subscribers",
    )
    .strict(),
    Rule::squawk("ban-drop-policy", Breaks, "a policy is dropped", "see who sees more, or less, without it")
        .strict(),
    Rule::squawk("ban-create-policy", Breaks, "a policy is added", "see who sees less with it").strict(),
    Rule::squawk(
        "ban-alter-policy-condition",
        Breaks,
        "a policy gets another condition",
        "see who sees more, or less",
    )
    .strict(),
    Rule::squawk("ban-alter-policy-roles", Breaks, "a policy gets other roles", "see who sees more, or less")
        .strict(),
    Rule::squawk(
        "ban-alter-row-level-security",
        Breaks,
        "row-level security is turned on or off",
        "see who sees more, or less",
    )
    .strict(),
    Rule::squawk("ban-revoke", Breaks, "a privilege is taken away", "make sure that no program needs it")
        .strict(),
    Rule::squawk(
        "ban-replace-view-function",
        Breaks,
        "a view or function is replaced",
        "make sure that old programs can live with the new one",
    )
    .strict(),
    Rule::squawk(
        "ban-alter-function-options",
        Breaks,
        "a function's owner, rights or settings change",
        "make sure that old programs can live with it",
    )
    .strict(),
    Rule::squawk(
        "ban-alter-view-options",
        Breaks,
        "a view's owner or options change",
        "make sure that old programs can live with it",
    )
    .strict(),
    Rule::squawk(
        "ban-alter-extension",
        Breaks,
        "an extension is changed",
        "make sure that old programs can live with it",
    )
    .strict(),
    Rule::squawk(
        "ban-add-column",
        Breaks,
        "a column is added",
        "it is how tables grow; a program that names its columns does not notice",
    )
    .never(),
];
