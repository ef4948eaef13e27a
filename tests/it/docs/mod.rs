//! Pages that say what to type, typed.

mod ci;
mod deploy;
mod first_app;
mod own_servers;

/// The fenced blocks of a page in one language, in order.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    let rest = page.split(begin.as_str()).skip(1);
    rest.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}
