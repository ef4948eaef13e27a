//! Files to cut: some written by hand, and any number made of pieces by a seeded generator.

use super::psql::COPY;

/// Each has misled a reader of SQL, ours or another's.
pub const NASTY: &[&str] = &[
    "select e'a'\n'b\\';c';select 2;",
    "select e'a'  'b\\';c';x';",
    "select e'a' -- c\n 'b'; select 2",
    "select 1e'\\';x;",
    "select 12xe'\\';';x;",
    "select 1e+e'\\';';x;",
    "select 1_e'\\';';x;",
    "select 0xe'\\';';x;",
    "select 1.e'\\';';x;",
    "select .5e'\\';';x;",
    "select 1..e'\\';';x;",
    "select 1.5e3e'\\';';x;",
    "select 1\u{e9}e'\\';';y;",
    "select \u{e9}e'\\';';y;",
    "select 1e5$$;$$;x;",
    "select 1.5e5$a$;$a$;x;",
    "select 1e-5$$;$$;x;",
    "u&create function f() begin atomic select 1; end;x;",
    "select 1$$;$$;x;",
    "select $1$$;$$;x;",
    "select $1a$$;$$;x;",
    "select a$b$;$b$;x",
    "select a$$;x;",
    "select $a$ $b$ ; $a;$a$;x",
    "select $a$ $ba$a$;x",
    "select $A$;$a$;$A$;x",
    "select $\u{e9}$;$\u{e9}$;x",
    "select $1$;$1$;x",
    "select $_1$;$_1$;x",
    "select $$\n;\n$$;x",
    "select '$$';'$$';",
    "-- a\rselect 1;\nselect 2",
    "-- a;\r\nselect 1;\r\nselect 2;\r\n",
    "select 1 -- it's; here\n;x",
    "select 1 /* it's /* nested; */ ; */ ;x",
    "/*/ ; */ */ x; y",
    "select 1 /**/;/***/;x/****/;y",
    "select 1 */* ; */;x",
    "select 1 +-- ;\n;x",
    "select 1 @--;\n;x",
    "select 1 - -1;x",
    "select 1//*;*/;x",
    "/* not ended; x",
    "select 'not ended; x",
    "select \"not ended; x",
    "select $a$ not ended; x",
    "select (1; 2",
    "select :e'\\';x;",
    "select ::e'\\';';x;",
    "select :::e'\\';x;",
    "select a[1:b$$;$$];x;",
    "select a := e'\\';';x;",
    "select :'a;b';x",
    "select :\"a;b\";x",
    "select u&'\\0061;' uescape '!';x",
    "select u&\"a;\\\" ;x",
    "select U&'it''s;';x",
    "select b'0;1', x'0;f', n'a;\\';x",
    "select \"a\"\"b;c\";x",
    "select 'it''s;' 'a';x",
    "select e'it''s\\\\';x",
    "select E'\\\\\\';';x",
    "select '\\';x",
    "create rule r as on insert to t do also (insert into a values (1); insert into b values (2));x",
    "(select 1;\nselect 2);x",
    "select 1);x;(y;z)",
    "select [1;2];{3;4}",
    "create function f() returns int language sql begin atomic select 1; select 2; end;x",
    "create or replace function f() returns int begin atomic select case when true then 1 else 2 end; end;x",
    "create procedure p(a int default (case when 1=1 then 1 end)) begin atomic insert into t values (1); end;x",
    "create function f() begin atomic begin; end; select 1; end;x",
    "CREATE FUNCTION F() BEGIN ATOMIC SELECT 1; END;X",
    "create function \"begin\"() returns int as 'x' language sql;x",
    "create function begin() returns int as 'x' language sql;x;end;y",
    "create /* c */ or -- d\n replace\nprocedure p() begin atomic; end;x",
    "create aggregate begin (a);x",
    "create table begin (a int);end;x",
    "create view v as select 1; begin; select 1; end;",
    "create function a.begin() begin x; end; z;",
    "create trigger t after insert on t execute function begin();x",
    "create function f() begin atomic select 1;",
    "begin; create function f() begin atomic; end; commit;",
    "do $$ begin perform 1; end $$;x",
    "do 'begin perform 1; end';x",
    "\u{feff}select 1;x;",
    "select 1;\u{b}select 2;",
    "select 1\u{a0};\u{a0}; x;",
    "select\u{c}1;\u{c}x",
    ";;/*a*/;select 1;;",
    "",
    "\n\n",
    "-- nothing",
    "select 1",
    "select 'a\n;b\n",
    "copy copy_from_client from stdin;\n1;\n2'\n\\.\nselect 3;",
    "copy copy_from_client (a, b) from stdin with (format csv)\n;\n\"a;\nb\"\n\\.\nselect 3;select 4",
    "COPY copy_from_client FROM STDIN;\n\\.\nselect $$;$$;x",
    "copy copy_from_client from stdin; -- c\n1\n\\.\nx;copy copy_from_client from stdin;\n2\n\\.\ny",
    "copy copy_from_client from stdin;\r\n1;\r\n\\.\r\nselect 3;",
    "copy copy_from_client from stdin;\nnever ended;",
    "copy (select ';') to '/x;y';x",
    "prepare p as select $1, $2;x",
    "select 1 as \u{1f600};x",
    "select '\u{1f600};';x",
];

/// Pieces of statements that are whole in themselves.
const WHOLE: &[&str] = &[
    "select",
    "a",
    "B1",
    "_x$y",
    "\u{e9}t\u{e9}",
    "1",
    "1.5",
    "1e5",
    "1e-5",
    ".5",
    "1.",
    "$1",
    "a.b",
    "case",
    "end",
    "begin",
    "atomic",
    "create",
    "or",
    "replace",
    "function",
    "procedure",
    "table",
    "values",
    "from",
    ",",
    "+",
    "-",
    "*",
    "/",
    "%",
    "<>",
    "=",
    "::int",
    "a[1]",
    "'x;y'",
    "'it''s'",
    "''",
    "'\\'",
    "e'\\';'",
    "E'a\\\\'",
    "e'\\n;'",
    "\"q;r\"",
    "\"a\"\"b\"",
    "u&'d;'",
    "U&\"e;\"",
    "b'1'",
    "x'1f'",
    "n'a'",
    "$$;$$",
    "$a$;$$;$a$",
    "$_1$'$_1$",
    "(1; 2)",
    "(select ';')",
    "((a;b);c)",
    "/* c; */",
    "/* /* '; */ \" */",
    "-- d; '\n",
    "--\n",
    "\n",
    "\t",
    "\r\n",
    "\u{c}",
    "begin atomic select 1; end",
    "create function f() begin atomic select 1; end",
    "create or replace procedure p() begin atomic select case when a then b end; end",
];

/// Pieces that leave something open, or that touch what follows.
const OPEN: &[&str] = &[
    "'", "\"", "$$", "$a$", "(", ")", "/*", "*/", "--", "e'", "1e", "0x", ":", "::", ":a", "$", "$1", "u&",
    "E", "\r", "\u{e9}", "\u{3000}", "*", "-", "/", ".", "..", "'\n'", "'--\n'",
];

/// `count` files, always the same ones.
pub fn generated(count: u64) -> Vec<String> {
    (1..=count).map(|seed| file(&mut Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)))).collect()
}

/// A generator of numbers (xorshift), for which any will do.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % most
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// Half of the files are made of whole pieces, and may have the data of a COPY; in the others
/// anything may happen.
fn file(dice: &mut Dice) -> String {
    let tame = dice.below(2) == 0;
    let mut text = String::new();
    for _ in 0..=dice.below(6) {
        if tame && dice.below(8) == 0 {
            text.extend(["\ncopy ", COPY, " from stdin;\n1;'\n$$(\n\\.\n"]);
        }
        for _ in 0..=dice.below(8) {
            let piece = if tame || dice.below(4) > 0 { dice.one(WHOLE) } else { dice.one(OPEN) };
            text.push_str(piece);
            if tame || dice.below(3) > 0 {
                text.push_str(dice.one(&[" ", " ", "\n", "/**/"]));
            }
        }
        text.push(';');
    }
    text
}
