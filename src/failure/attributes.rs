//! What is written at a variant, read.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, Fields, Ident, Lit, LitStr, Meta, Result, Token, Type, parenthesized};

/// All that stands at a variant, or at a struct.
pub(crate) struct Notes {
    /// The first paragraph of its doc comment.
    pub(crate) meaning: String,
    /// The first whose condition holds is the one.
    pub(crate) rows: Vec<Row>,
    /// `None`: those of the part, where a row has one.
    pub(crate) hints: Option<Vec<Hint>>,
    pub(crate) details: Option<TokenStream>,
    pub(crate) neighbour: Option<TokenStream>,
    pub(crate) operation: Option<TokenStream>,
}

/// `#[failure(…)]`.
pub(crate) struct Row {
    pub(crate) condition: Option<TokenStream>,
    pub(crate) kind: Kind,
    /// `None`: that of the part.
    pub(crate) code: Option<LitStr>,
    /// What the field of a transparent variant is made from in two steps.
    pub(crate) from: Vec<Type>,
}

pub(crate) enum Kind {
    /// A variant of `ErrorKind`.
    Is(Ident),
    /// An expression that yields one.
    By(Expr),
    /// Whatever this part of the variant says.
    Of(TokenStream),
}

/// `#[hint(…)]` or `#[hints(…)]`.
pub(crate) struct Hint {
    pub(crate) condition: Condition,
    /// What is called on the list: `.push(…)` or `.extend(…)`.
    pub(crate) add: TokenStream,
}

pub(crate) enum Condition {
    Always,
    If(TokenStream),
    /// Where the condition of the hint before it does not hold.
    ElseIf(TokenStream),
    Else,
}

impl Notes {
    pub(crate) fn read(attributes: &[Attribute], fields: &Fields, name: &Ident) -> Result<Self> {
        let mut notes = Self {
            meaning: meaning(attributes),
            rows: Vec::new(),
            hints: None,
            details: None,
            neighbour: None,
            operation: None,
        };
        for attribute in attributes {
            let Some(word) = attribute.path().get_ident() else { continue };
            match word.to_string().as_str() {
                "failure" => {
                    notes
                        .rows
                        .push(attribute.parse_args_with(|input: ParseStream<'_>| Row::read(input, fields))?);
                }
                "hint" => notes.hints.get_or_insert_default().push(attribute.parse_args_with(hint)?),
                "hints" => notes.hints.get_or_insert_default().push(attribute.parse_args_with(hints)?),
                "details" => notes.details = Some(attribute.parse_args_with(details)?),
                "neighbour" => notes.neighbour = Some(attribute.parse_args::<Expr>()?.into_token_stream()),
                "operation" => notes.operation = Some(attribute.parse_args::<Expr>()?.into_token_stream()),
                _ => {}
            }
        }
        notes.check(name)?;
        Ok(notes)
    }

    fn check(&self, name: &Ident) -> Result<()> {
        let Some((last, before)) = self.rows.split_last() else {
            return Err(Error::new(
                name.span(),
                "say what sort of failure it is: #[failure(Kind, \"code\")]",
            ));
        };
        if last.condition.is_some() || before.iter().any(|row| row.condition.is_none()) {
            return Err(Error::new(name.span(), "each #[failure] but the last wants a condition: if …,"));
        }
        if self.meaning.is_empty() && self.rows.iter().any(|row| row.code.is_some()) {
            return Err(Error::new(name.span(), "say in a doc comment what it means: docs/errors.md has it"));
        }
        Ok(())
    }
}

impl Row {
    fn read(input: ParseStream<'_>, fields: &Fields) -> Result<Self> {
        let condition = condition(input)?;
        let word = Ident::parse_any(input)?;
        let span = word.span();
        let kind = if word == "transparent" {
            Kind::Of(part(input, fields, &word)?)
        } else if word == "kind" && input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Kind::By(input.parse()?)
        } else {
            Kind::Is(word)
        };
        let mut row = Self { condition, kind, code: None, from: Vec::new() };
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.peek(LitStr) {
                row.code = Some(input.parse()?);
            } else if !input.is_empty() {
                let word: Ident = input.parse()?;
                if word != "from" {
                    return Err(Error::new(word.span(), "a code or from(TYPE, …) can stand here"));
                }
                let types;
                parenthesized!(types in input);
                row.from = Punctuated::<Type, Token![,]>::parse_terminated(&types)?.into_iter().collect();
            }
        }
        if row.code.is_none() && !matches!(row.kind, Kind::Of(_)) {
            return Err(Error::new(span, "a code is missing: #[failure(Kind, \"code\")]"));
        }
        Ok(row)
    }
}

/// What is in the brackets behind `transparent`, else the only field.
fn part(input: ParseStream<'_>, fields: &Fields, word: &Ident) -> Result<TokenStream> {
    if input.peek(syn::token::Paren) {
        let inner;
        parenthesized!(inner in input);
        return Ok(inner.parse::<Expr>()?.into_token_stream());
    }
    let mut names = names(fields).into_iter();
    match (names.next(), names.next()) {
        (Some(only), None) => Ok(only.into_token_stream()),
        _ => Err(Error::new(word.span(), "say which field answers for it: transparent(FIELD)")),
    }
}

/// What fields are called in the expressions of attributes: by their names, or `_0`, `_1`.
pub(crate) fn names(fields: &Fields) -> Vec<Ident> {
    let name = |(at, field): (usize, &syn::Field)| {
        field.ident.clone().unwrap_or_else(|| Ident::new(&format!("_{at}"), field.span()))
    };
    fields.iter().enumerate().map(name).collect()
}

/// `if …,` at the beginning.
fn condition(input: ParseStream<'_>) -> Result<Option<TokenStream>> {
    if !input.peek(Token![if]) {
        return Ok(None);
    }
    input.parse::<Token![if]>()?;
    let mut condition = TokenStream::new();
    while !input.peek(Token![,]) {
        condition.extend([input.parse::<TokenTree>()?]);
    }
    input.parse::<Token![,]>()?;
    Ok(Some(condition))
}

fn hint_condition(input: ParseStream<'_>) -> Result<Condition> {
    if !input.peek(Token![else]) {
        return Ok(condition(input)?.map_or(Condition::Always, Condition::If));
    }
    input.parse::<Token![else]>()?;
    if let Some(condition) = condition(input)? {
        return Ok(Condition::ElseIf(condition));
    }
    input.parse::<Token![,]>()?;
    Ok(Condition::Else)
}

/// Words, written as for `format!`; behind `=>` the action that does what they say. Or an expression
/// that becomes a hint.
fn hint(input: ParseStream<'_>) -> Result<Hint> {
    let condition = hint_condition(input)?;
    if !input.peek(LitStr) {
        let hint: Expr = input.parse()?;
        if input.is_empty() {
            return Ok(Hint { condition, add: quote!(.push(crate::kernel::Hint::from(#hint))) });
        }
        return with_action(input, condition, &hint.into_token_stream());
    }
    let text: LitStr = input.parse()?;
    let mut arguments = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![=>]) {
        arguments.extend([input.parse::<TokenTree>()?]);
    }
    let plain = arguments.is_empty() && !text.value().contains(['{', '}']);
    let text = if plain { text.into_token_stream() } else { quote!(::std::format!(#text #arguments)) };
    if input.is_empty() {
        return Ok(Hint { condition, add: quote!(.push(crate::kernel::Hint::from(#text))) });
    }
    with_action(input, condition, &text)
}

fn with_action(input: ParseStream<'_>, condition: Condition, text: &TokenStream) -> Result<Hint> {
    input.parse::<Token![=>]>()?;
    let action: Expr = input.parse()?;
    Ok(Hint { condition, add: quote!(.push(crate::kernel::Hint::new(#text, #action))) })
}

/// An expression that yields hints, or what becomes one.
fn hints(input: ParseStream<'_>) -> Result<Hint> {
    let condition = hint_condition(input)?;
    let hints: Expr = input.parse()?;
    let hints = quote!(::std::iter::IntoIterator::into_iter(#hints).map(crate::kernel::Hint::from));
    Ok(Hint { condition, add: quote!(.extend(#hints)) })
}

/// Fields by name, and `name = expression`; or one expression that yields the whole.
fn details(input: ParseStream<'_>) -> Result<TokenStream> {
    struct Entry(Ident, TokenStream);

    impl Parse for Entry {
        fn parse(input: ParseStream<'_>) -> Result<Self> {
            let name = Ident::parse_any(input)?;
            if !input.peek(Token![=]) {
                return Ok(Self(name.clone(), name.into_token_stream()));
            }
            input.parse::<Token![=]>()?;
            Ok(Self(name, input.parse::<Expr>()?.into_token_stream()))
        }
    }

    let ahead = input.fork();
    if Punctuated::<Entry, Token![,]>::parse_terminated(&ahead).is_err() {
        return Ok(input.parse::<Expr>()?.into_token_stream());
    }
    let entries = Punctuated::<Entry, Token![,]>::parse_terminated(input)?;
    let pairs = entries.iter().map(|Entry(name, value)| {
        let name = name.unraw().to_string();
        quote!(#name: #value)
    });
    Ok(quote!(::serde_json::json!({ #(#pairs),* })))
}

fn meaning(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes.iter().filter(|it| it.path().is_ident("doc")) {
        let Meta::NameValue(doc) = &attribute.meta else { continue };
        let Expr::Lit(text) = &doc.value else { continue };
        let Lit::Str(text) = &text.lit else { continue };
        let text = text.value().trim().to_owned();
        if text.is_empty() {
            break;
        }
        lines.push(text);
    }
    lines.join(" ")
}
