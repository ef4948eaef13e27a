//! `#[derive(Failure)]`: kind, code, hints and details of an error, each at its variant.
//!
//! ```text
//! #[derive(Debug, thiserror::Error, Failure)]
//! pub enum TenantError {
//!     /// Another tenant has the slug.
//!     #[error("slug {slug:?} is taken by another tenant")]
//!     #[failure(Conflict, "slug_taken")]
//!     #[hint("see who has it" => TenantAction::Show(Some(slug.clone())))]
//!     #[details(slug)]
//!     SlugTaken { slug: String },
//!     #[error(transparent)]
//!     #[failure(transparent, from(sqlx::Error))]
//!     Db(#[from] DbError),
//! }
//! ```
//!
//! Expressions see the fields by reference: by name, those of a tuple as `_0`, `_1`.
//!
//! - `failure(Kind, "code")`, `failure(kind = EXPRESSION, "code")`, or `failure(transparent)`, where the
//!   only field, or `transparent(EXPRESSION)`, answers for all that is not said. `if CONDITION,` in front
//!   lets several stand at one variant; the first that holds is the one. `from(TYPE)` makes the variant
//!   of what its field is made of.
//! - `hint("…", …)`, as for `format!`; `hint("…", … => ACTION)` with what does it, an action of
//!   `kernel::hint`, all of which are in scope; or `hint(EXPRESSION)`: one each, in their order. In front
//!   `if CONDITION,`, `else if CONDITION,` or `else,`. `hints(EXPRESSION)` adds all that it yields.
//! - `details(field, name = EXPRESSION)`, or `details(EXPRESSION)` for the whole.
//! - `neighbour(EXPRESSION)`, `operation(EXPRESSION)`: what the trait's functions give back.
//! - The first paragraph of the doc comment goes to `docs/errors.md`.

mod attributes;

use attributes::{Condition, Hint, Kind, Notes, Row, names};
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Ident, Result};

/// See the crate's documentation.
#[proc_macro_derive(Failure, attributes(failure, hint, hints, details, neighbour, operation))]
pub fn derive(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let expanded = syn::parse(input).and_then(|input| expand(&input));
    expanded.unwrap_or_else(|error| error.to_compile_error()).into()
}

/// A variant, or the struct itself.
struct Shape {
    /// What is to be built, e.g. `Self::Db`.
    path: TokenStream,
    /// Matches it and names its fields.
    pattern: TokenStream,
    notes: Notes,
}

impl Shape {
    fn new(path: TokenStream, fields: &Fields, notes: Notes) -> Self {
        let names = names(fields);
        let pattern = match fields {
            Fields::Named(_) => quote!(#path { #(#names),* }),
            Fields::Unnamed(_) => quote!(#path(#(#names),*)),
            Fields::Unit => path.clone(),
        };
        Self { path, pattern, notes }
    }

    /// An arm of a `match`.
    fn arm(&self, body: &TokenStream) -> TokenStream {
        let pattern = &self.pattern;
        quote!(#pattern => { #body })
    }

    /// What each row says of one thing, the first whose condition holds.
    fn choose(&self, say: impl Fn(&Row) -> TokenStream) -> TokenStream {
        let rows = self.notes.rows.iter().map(|row| {
            let said = say(row);
            match &row.condition {
                Some(condition) => quote!(if #condition { #said } else),
                None if self.notes.rows.len() > 1 => quote!({ #said }),
                None => said,
            }
        });
        quote!(#(#rows)*)
    }

    /// What is said of one thing at the variant, else by the part that answers for it, else nothing.
    fn said(&self, own: Option<&TokenStream>, ask: &Ident, nothing: &TokenStream) -> TokenStream {
        let said = own.cloned().unwrap_or_else(|| {
            self.choose(|row| match &row.kind {
                Kind::Of(part) => quote!(#part.#ask()),
                _ => nothing.clone(),
            })
        });
        self.arm(&said)
    }

    fn kind(&self) -> TokenStream {
        self.arm(&self.choose(|row| match &row.kind {
            Kind::Is(kind) => quote!(ErrorKind::#kind),
            Kind::By(kind) => quote!(#kind),
            Kind::Of(part) => quote!(#part.kind()),
        }))
    }

    fn code(&self) -> TokenStream {
        self.arm(&self.choose(|row| match (&row.code, &row.kind) {
            (Some(code), _) => quote!(#code),
            (None, Kind::Of(part)) => quote!(#part.code()),
            (None, _) => TokenStream::new(),
        }))
    }

    fn hints(&self) -> TokenStream {
        // Not to be taken for a field of that name.
        let list = Ident::new("list", Span::mixed_site());
        let own = self.notes.hints.as_ref().map(|hints| {
            let additions = hints.iter().map(|Hint { condition, add }| match condition {
                Condition::Always => quote!(#list #add;),
                Condition::If(condition) => quote!(if #condition { #list #add; }),
                Condition::ElseIf(condition) => quote!(else if #condition { #list #add; }),
                Condition::Else => quote!(else { #list #add; }),
            });
            quote! {
                let mut #list: ::std::vec::Vec<crate::kernel::Hint> = ::std::vec::Vec::new();
                #(#additions)*
                #list
            }
        });
        self.said(own.as_ref(), &word("hints"), &quote!(::std::vec::Vec::new()))
    }

    /// The rows of `docs/errors.md`.
    fn codes(&self) -> impl Iterator<Item = TokenStream> {
        let meaning = &self.notes.meaning;
        self.notes.rows.iter().filter_map(move |row| {
            let code = row.code.as_ref()?;
            let kind = match &row.kind {
                Kind::Is(kind) => quote!(::std::option::Option::Some(ErrorKind::#kind)),
                Kind::By(_) | Kind::Of(_) => quote!(::std::option::Option::None),
            };
            Some(quote!(crate::kernel::ErrorCode { kind: #kind, code: #code, meaning: #meaning }))
        })
    }
}

fn word(text: &str) -> Ident {
    Ident::new(text, Span::call_site())
}

fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let shapes = shapes(input)?;
    let name = &input.ident;
    let kinds = shapes.iter().map(Shape::kind);
    let codes = shapes.iter().map(Shape::code);
    let hints = shapes.iter().map(Shape::hints);
    let details = shapes
        .iter()
        .map(|it| it.said(it.notes.details.as_ref(), &word("details"), &quote!(::serde_json::Value::Null)));
    let nothing = quote!(::std::option::Option::None);
    let neighbours =
        shapes.iter().map(|it| it.said(it.notes.neighbour.as_ref(), &word("neighbour"), &nothing));
    let operations =
        shapes.iter().map(|it| it.said(it.notes.operation.as_ref(), &word("operation"), &nothing));
    let declared = shapes.iter().flat_map(Shape::codes);
    let conversions = conversions(name, &shapes);
    Ok(quote! {
        #[allow(unused, unused_qualifications, clippy::all, clippy::pedantic, clippy::restriction)]
        const _: () = {
            use crate::kernel::{ErrorKind, Failure as _};

            #[automatically_derived]
            impl crate::kernel::Failure for #name {
                fn kind(&self) -> ErrorKind {
                    match self { #(#kinds)* }
                }

                fn code(&self) -> &'static str {
                    match self { #(#codes)* }
                }

                fn hints(&self) -> ::std::vec::Vec<crate::kernel::Hint> {
                    use crate::kernel::hint::*;

                    match self { #(#hints)* }
                }

                fn details(&self) -> ::serde_json::Value {
                    match self { #(#details)* }
                }

                fn neighbour(&self) -> ::std::option::Option<&str> {
                    match self { #(#neighbours)* }
                }

                fn operation(&self) -> ::std::option::Option<crate::kernel::OperationId> {
                    match self { #(#operations)* }
                }
            }

            #(#conversions)*

            // Read by the test that writes docs/errors.md.
            #[cfg(test)]
            ::inventory::submit! {
                crate::kernel::ErrorCodes { file: ::std::file!(), codes: &[#(#declared),*] }
            }
        };
    })
}

fn shapes(input: &DeriveInput) -> Result<Vec<Shape>> {
    match &input.data {
        Data::Enum(data) => data
            .variants
            .iter()
            .map(|variant| {
                let name = &variant.ident;
                let notes = Notes::read(&variant.attrs, &variant.fields, name)?;
                Ok(Shape::new(quote!(Self::#name), &variant.fields, notes))
            })
            .collect(),
        Data::Struct(data) => {
            let notes = Notes::read(&input.attrs, &data.fields, &input.ident)?;
            Ok(vec![Shape::new(quote!(Self), &data.fields, notes)])
        }
        Data::Union(_) => Err(Error::new(input.ident.span(), "an error is an enum or a struct")),
    }
}

/// The `From` of every `from(TYPE)`: by way of the variant's field.
fn conversions(name: &Ident, shapes: &[Shape]) -> Vec<TokenStream> {
    let made = |shape: &Shape, from: &syn::Type| {
        let path = &shape.path;
        quote! {
            #[automatically_derived]
            impl ::std::convert::From<#from> for #name {
                fn from(error: #from) -> Self {
                    #path(error.into())
                }
            }
        }
    };
    let mut all = Vec::new();
    for shape in shapes {
        all.extend(shape.notes.rows.iter().flat_map(|row| &row.from).map(|from| made(shape, from)));
    }
    all
}

#[cfg(test)]
mod tests;
