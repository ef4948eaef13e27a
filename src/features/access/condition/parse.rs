//! From the text of a condition to its nodes.

use serde_json::{Number, Value};

use super::{Comparison, ConditionError, MAX_CHARS, MAX_DEPTH, MAX_NODES, Node, Operand};

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Constant(Value),
    Compare(Comparison),
    Sign(char),
}

pub(super) fn parse(text: &str) -> Result<Node, ConditionError> {
    if text.chars().count() > MAX_CHARS {
        return Err(wrong(MAX_CHARS, format!("it is longer than {MAX_CHARS} characters")));
    }
    let tokens = tokens(text)?;
    let end = text.chars().count() + 1;
    let mut parser = Parser { tokens, next: 0, end, nodes: 0 };
    let node = parser.either(0)?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.wrong("it goes on after its end")),
    }
}

fn wrong(at: usize, reason: impl Into<String>) -> ConditionError {
    ConditionError { at, reason: reason.into() }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ConditionError> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = chars.get(at).copied() {
        let begin = at;
        at += 1;
        let token = match c {
            _ if c.is_whitespace() => continue,
            '(' | ')' | '[' | ']' | ',' => Token::Sign(c),
            '=' => Token::Compare(Comparison::Equal),
            '!' if chars.get(at) == Some(&'=') => {
                at += 1;
                Token::Compare(Comparison::Unequal)
            }
            '<' | '>' => {
                let or_equal = chars.get(at) == Some(&'=');
                at += usize::from(or_equal);
                Token::Compare(match (c, or_equal) {
                    ('<', false) => Comparison::Less,
                    ('<', true) => Comparison::AtMost,
                    (_, false) => Comparison::Greater,
                    (_, true) => Comparison::AtLeast,
                })
            }
            '\'' => Token::Constant(Value::String(quoted(&chars, &mut at)?)),
            '-' | '0'..='9' => {
                at = run(&chars, at, |c| c.is_ascii_alphanumeric() || ".+-".contains(c));
                Token::Constant(number(&chars[begin..at], begin)?)
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                at = run(&chars, at, |c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
                Token::Word(chars[begin..at].iter().collect())
            }
            _ => return Err(wrong(begin + 1, format!("unexpected {c:?}"))),
        };
        found.push((begin + 1, token));
    }
    Ok(found)
}

fn run(chars: &[char], from: usize, within: impl Fn(char) -> bool) -> usize {
    chars[from..].iter().position(|c| !within(*c)).map_or(chars.len(), |length| from + length)
}

/// The text behind a quote; two quotes stand for one.
fn quoted(chars: &[char], at: &mut usize) -> Result<String, ConditionError> {
    let begin = *at;
    let mut text = String::new();
    while let Some(c) = chars.get(*at).copied() {
        *at += 1;
        if c != '\'' {
            text.push(c);
        } else if chars.get(*at) == Some(&'\'') {
            *at += 1;
            text.push(c);
        } else {
            return Ok(text);
        }
    }
    Err(wrong(begin, "this text does not end: a quote is missing"))
}

fn number(chars: &[char], begin: usize) -> Result<Value, ConditionError> {
    let text: String = chars.iter().collect();
    let number = match text.parse::<i64>() {
        Ok(whole) => Some(Number::from(whole)),
        Err(_) => text.parse::<f64>().ok().and_then(Number::from_f64),
    };
    number.map(Value::Number).ok_or_else(|| wrong(begin + 1, format!("{text:?} is not a number")))
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    end: usize,
    nodes: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn place(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    fn wrong(&self, reason: impl Into<String>) -> ConditionError {
        wrong(self.place(), reason)
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let found = self.peek() == Some(wanted);
        self.next += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(text)) if text == word);
        self.next += usize::from(found);
        found
    }

    fn count(&mut self) -> Result<(), ConditionError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES { Err(self.wrong("it has too many parts")) } else { Ok(()) }
    }

    fn either(&mut self, depth: usize) -> Result<Node, ConditionError> {
        let mut parts = vec![self.both(depth)?];
        while self.take_word("or") {
            parts.push(self.both(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Node::Or(parts) })
    }

    fn both(&mut self, depth: usize) -> Result<Node, ConditionError> {
        let mut parts = vec![self.not(depth)?];
        while self.take_word("and") {
            parts.push(self.not(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Node::And(parts) })
    }

    fn not(&mut self, depth: usize) -> Result<Node, ConditionError> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("it is nested too deeply"));
        }
        self.count()?;
        if self.take_word("not") {
            return Ok(Node::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.take(&Token::Sign('(')) {
            let inner = self.either(depth + 1)?;
            return if self.take(&Token::Sign(')')) {
                Ok(inner)
            } else {
                Err(self.wrong("a ')' is missing"))
            };
        }
        self.test()
    }

    fn test(&mut self) -> Result<Node, ConditionError> {
        let bare_owner = matches!(self.peek(), Some(Token::Word(word)) if word == "owner");
        let left = self.operand()?;
        if let Some(Token::Compare(how)) = self.peek() {
            let how = *how;
            self.next += 1;
            return Ok(Node::Compare(left, how, self.operand()?));
        }
        if self.take_word("in") {
            return Ok(Node::In(left, self.list()?));
        }
        if bare_owner {
            return Ok(Node::Owner);
        }
        Err(self.wrong("a comparison is missing: = != < <= > >= or in"))
    }

    fn list(&mut self) -> Result<Vec<Operand>, ConditionError> {
        if !self.take(&Token::Sign('[')) {
            return Err(self.wrong("a '[' is missing"));
        }
        let mut list = vec![self.operand()?];
        while self.take(&Token::Sign(',')) {
            list.push(self.operand()?);
        }
        if self.take(&Token::Sign(']')) { Ok(list) } else { Err(self.wrong("a ']' is missing")) }
    }

    fn operand(&mut self) -> Result<Operand, ConditionError> {
        self.count()?;
        let operand = match self.peek() {
            Some(Token::Constant(value)) => Operand::Constant(value.clone()),
            Some(Token::Word(word)) => match word.as_str() {
                "true" => Operand::Constant(Value::Bool(true)),
                "false" => Operand::Constant(Value::Bool(false)),
                "and" | "or" | "not" | "in" => return Err(self.wrong(format!("unexpected {word:?}"))),
                "user" => return Err(self.wrong("name an attribute of the user, e.g. user.id")),
                path => {
                    let mut parts: Vec<String> = path.split('.').map(str::to_owned).collect();
                    if parts.iter().any(String::is_empty) {
                        return Err(self.wrong("a name has an empty part"));
                    }
                    if parts[0] == "user" {
                        parts.remove(0);
                        Operand::User(parts)
                    } else {
                        Operand::Resource(parts)
                    }
                }
            },
            _ => return Err(self.wrong("a name, a 'text' or a number is missing")),
        };
        self.next += 1;
        Ok(operand)
    }
}
