//! What does not compile, and what it says.

use syn::parse_quote;

use super::expand;

fn refusal(error: &syn::DeriveInput) -> String {
    expand(error).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_variant_that_says_nothing_of_itself_is_refused() {
    let refusal = refusal(&parse_quote! {
        enum TenantError {
            /// Another tenant has the slug.
            #[failure(Conflict, "slug_taken")]
            SlugTaken { slug: String },
            /// It is gone.
            Gone { slug: String },
        }
    });
    assert_eq!(refusal, "say what sort of failure it is: #[failure(Kind, \"code\")]");
}

#[test]
fn a_kind_without_a_code_is_refused() {
    let refusal = refusal(&parse_quote! {
        /// It is gone.
        #[failure(Conflict)]
        struct Gone;
    });
    assert_eq!(refusal, "a code is missing: #[failure(Kind, \"code\")]");
}

#[test]
fn a_code_that_nothing_explains_is_refused() {
    let refusal = refusal(&parse_quote! {
        #[failure(Conflict, "gone")]
        struct Gone;
    });
    assert_eq!(refusal, "say in a doc comment what it means: docs/errors.md has it");
}

#[test]
fn a_variant_with_a_kind_for_some_cases_only_is_refused() {
    let refusal = refusal(&parse_quote! {
        /// It is gone.
        #[failure(if *all, Unavailable, "gone")]
        struct Gone { all: bool }
    });
    assert_eq!(refusal, "each #[failure] but the last wants a condition: if …,");
}

#[test]
fn a_transparent_variant_of_several_fields_says_which_answers_for_it() {
    let refusal = refusal(&parse_quote! {
        #[failure(transparent)]
        struct Stopped { slug: String, source: DbError }
    });
    assert_eq!(refusal, "say which field answers for it: transparent(FIELD)");
}
