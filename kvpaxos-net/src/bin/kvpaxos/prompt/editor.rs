//! The line editor: history, and Tab completes verbs.

use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};

use super::parse::VERBS;

/// A line editor with the history of earlier prompts.
pub(super) struct Editor {
    editor: rustyline::Editor<Verbs, DefaultHistory>,
    history: Option<PathBuf>,
}

/// What a person did at the prompt.
pub(super) enum Entered {
    Line(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D.
    End,
}

impl Editor {
    pub(super) fn new() -> Result<Editor, String> {
        let mut editor = rustyline::Editor::new().map_err(|error| broken(&error))?;
        editor.set_helper(Some(Verbs));
        let history = std::env::home_dir().map(|home| home.join(".kvpaxos_history"));
        if let Some(path) = &history {
            // The first time there is none.
            let _ = editor.load_history(path);
        }
        Ok(Editor { editor, history })
    }

    pub(super) fn read(&mut self, prompt: &str) -> Result<Entered, String> {
        match self.editor.readline(prompt) {
            Ok(line) => {
                if !line.trim().is_empty() {
                    let _ = self.editor.add_history_entry(line.as_str());
                }
                Ok(Entered::Line(line))
            }
            Err(ReadlineError::Interrupted) => Ok(Entered::Interrupted),
            Err(ReadlineError::Eof) => Ok(Entered::End),
            Err(error) => Err(broken(&error)),
        }
    }

    pub(super) fn save(&mut self) {
        if let Some(path) = &self.history
            && let Err(error) = self.editor.save_history(path)
        {
            tracing::info!(path = %path.display(), %error, "cannot save the history of commands");
        }
    }
}

fn broken(error: &ReadlineError) -> String {
    format!("cannot read from the terminal: {error}")
}

/// Completes the word that a line begins with.
struct Verbs;

impl Completer for Verbs {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> Result<(usize, Vec<String>), ReadlineError> {
        Ok(completed(&line[..position]))
    }
}

impl Helper for Verbs {}
impl Highlighter for Verbs {}
impl Hinter for Verbs {
    type Hint = String;
}
impl Validator for Verbs {}

/// Where the first word begins, and the verbs that it may become, each with a space. Other words are not
/// completed.
fn completed(line: &str) -> (usize, Vec<String>) {
    let word = line.trim_start();
    let start = line.len() - word.len();
    if word.contains(char::is_whitespace) {
        return (line.len(), Vec::new());
    }
    let begun = word.to_ascii_uppercase();
    let verbs = VERBS.iter().filter(|verb| verb.starts_with(&begun));
    (start, verbs.map(|verb| format!("{verb} ")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_completed_and_no_other() {
        let one = |verb: &str| vec![verb.to_owned()];
        assert_eq!(completed("pu"), (0, one("PUT ")));
        assert_eq!(completed("  Del"), (2, one("DELETE ")));
        assert_eq!(completed("").1.len(), VERBS.len());
        assert_eq!(completed("GET k"), (5, Vec::new()));
        assert_eq!(completed("xyz"), (0, Vec::new()));
    }
}
