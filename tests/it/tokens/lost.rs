//! Whoever loses something loses the tokens that say more; others keep theirs.

use super::{ANN, BOB, Company};

/// A company in which bob has role Manager by group sales, which lies within group staff.
fn company() -> Company {
    let company = Company::new();
    for args in [
        &["group", "create", "staff"][..],
        &["group", "create", "sales", "--parent", "staff"],
        &["group", "add", "sales", BOB],
        &["role", "grant", "Manager", "--group", "staff"],
        &["role", "create", "Clerk"],
        &["role", "allow", "Clerk", "user:read"],
        &["role", "grant", "Clerk", "--user", BOB],
    ] {
        in_acme(&company, args);
    }
    company
}

fn in_acme(company: &Company, args: &[&str]) {
    company.world.ok(&[args, &["--tenant", "acme"]].concat());
}

/// Bob's token and the file of his session.
fn signed_in(company: &Company, number: usize) -> (String, String) {
    let file = company.world.machine().path(&format!("session-{number}")).display().to_string();
    (company.mint_for(BOB, &["--refresh-file", &file]), file)
}

fn goes_on(company: &Company, file: &str) -> bool {
    let output = company.world.command(&["token", "refresh", "--file", file]).output().unwrap();
    let token = String::from_utf8(output.stdout).unwrap();
    output.status.success() && company.accepts(token.trim_end())
}

#[test]
fn who_may_do_less_needs_a_new_token_and_has_it_by_the_session() {
    let company = company();
    let anns = company.mint(&[]);
    let (mut token, file) = signed_in(&company, 0);
    for change in [
        &["role", "disallow", "Clerk", "user:read"][..],
        &["role", "revoke", "Clerk", "--user", BOB],
        &["role", "allow", "Manager", "user:read", "--when", "owner"],
        &["role", "revoke", "Manager", "--group", "staff"],
        &["group", "move", "sales", "--to-top"],
        &["group", "remove", "sales", BOB],
    ] {
        assert!(company.accepts(&token), "before {change:?}");
        in_acme(&company, change);
        assert!(!company.accepts(&token), "{change:?}");
        assert!(goes_on(&company, &file), "{change:?}");
        token = company.mint_for(BOB, &[]);
    }
    assert!(company.accepts(&anns), "who lost nothing");
}

#[test]
fn who_is_given_more_keeps_the_token() {
    let company = company();
    let (token, _) = signed_in(&company, 0);
    for change in [
        &["role", "allow", "Clerk", "group:read"][..],
        &["role", "grant", "User", "--user", BOB],
        &["group", "create", "more", "--parent", "sales"],
        &["group", "add", "more", BOB],
        &["user", "update", BOB, "--name", "Bob"],
    ] {
        in_acme(&company, change);
        assert!(company.accepts(&token), "{change:?}");
    }
}

#[test]
fn who_is_shut_out_or_gets_a_new_password_loses_tokens_and_sessions() {
    let company = company();
    let changes: [&[&str]; 4] = [
        &["user", "sessions", "revoke", BOB],
        &["user", "password", "set", BOB, "--password-stdin"],
        &["user", "disable", BOB],
        &["user", "delete", BOB, "--yes", "--confirm", BOB],
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let (token, file) = signed_in(&company, number);
        assert!(company.accepts(&token) && goes_on(&company, &file), "before {change:?}");
        let args = [change, &["--tenant", "acme"]].concat();
        let done = company.run(&args, "nine horses in the rain\n");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert!(!company.accepts(&token), "{change:?}");
        assert!(!goes_on(&company, &file), "{change:?}");
        if change[1] == "disable" {
            in_acme(&company, &["user", "enable", BOB]);
        }
    }
    assert!(company.accepts(&company.mint(&[])), "{ANN} is not concerned");
}
