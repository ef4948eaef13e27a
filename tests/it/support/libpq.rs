//! How libpq, which comes with psql, reads a connection URL.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

/// Asks `PQconninfoParse` (manual, chapter 34.1), which connects nowhere and adds no defaults.
const SCRIPT: &str = r#"
import ctypes, ctypes.util, glob, json, sys

class Option(ctypes.Structure):
    _fields_ = [(name, ctypes.c_char_p) for name in
                ("keyword", "envvar", "compiled", "val", "label", "dispchar")] + [("dispsize", ctypes.c_int)]

def library():
    kegs = sorted(glob.glob("/opt/homebrew/opt/postgresql@*/lib/**/libpq.5.dylib", recursive=True) +
                  glob.glob("/usr/local/opt/postgresql@*/lib/**/libpq.5.dylib", recursive=True))
    for name in ["libpq.so.5", ctypes.util.find_library("pq")] + kegs:
        try:
            return ctypes.CDLL(name)
        except (OSError, TypeError):
            continue
    sys.exit("there is no libpq here")

pq = library()
pq.PQconninfoParse.restype = ctypes.POINTER(Option)
pq.PQconninfoParse.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p)]
for url in json.load(sys.stdin):
    error = ctypes.c_void_p()
    options = pq.PQconninfoParse(url.encode(), ctypes.byref(error))
    if not options:
        print(json.dumps(ctypes.string_at(error.value).decode(errors="replace")))
        continue
    found, at = {}, 0
    while options[at].keyword:
        if options[at].val is not None:
            found[options[at].keyword.decode()] = options[at].val.decode(errors="replace")
        at += 1
    print(json.dumps(found))
"#;

/// What libpq makes of URLs: what was given by name, or what it says against it.
pub fn parse(urls: &[String]) -> Vec<Result<BTreeMap<String, String>, String>> {
    let mut child = Command::new("python3")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(urls).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    let read: Vec<_> = lines
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|_| serde_json::from_str(line).unwrap()))
        .collect();
    assert_eq!(read.len(), urls.len());
    read
}
