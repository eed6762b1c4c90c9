//! Commands at random, from a seed: right ones, and those that Redis refuses in one of its many ways.

/// A small generator of random numbers (xorshift64*).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).unwrap() % limit
    }

    fn one_in(&mut self, odds: usize) -> bool {
        self.below(odds) == 0
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

pub(crate) const KEYS: [&str; 9] = ["a", "b", "c", "num", "key:1", "key:2", "*", "[x]", ""];
const VALUES: [&str; 16] = [
    "",
    "x",
    "hello",
    "1",
    "10",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "01",
    " 1",
    "3.5",
    "a\r\nb",
    "\0z",
    "+1",
    "-0",
    "a longer value, which is not copied but shared where it is kept: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];
const NUMBERS: [&str; 11] = [
    "1",
    "-1",
    "0",
    "9223372036854775807",
    "-9223372036854775808",
    "abc",
    "1.5",
    "",
    "10",
    "9223372036854775808",
    "01",
];
const PATTERNS: [&str; 15] = [
    "*", "a*", "key:?", "[a-c]", "[^a]", "\\*", "k*1", "?", "", "[", "[]", "\\[x]", "*:*", "nu[m", "**",
];
/// Fixed commands about connections and the server, right and wrong ones.
const FIXED: [&str; 62] = [
    "PING",
    "PING hi",
    "PING a b",
    "ECHO x",
    "ECHO",
    "ECHO a b",
    "SELECT 0",
    "SELECT 1",
    "SELECT x",
    "SELECT -1",
    "SELECT 00",
    "SELECT 2147483648",
    "HELLO 2",
    "HELLO 3",
    "HELLO",
    "HELLO 4",
    "HELLO x",
    "HELLO 3 foo",
    "HELLO 2 setname a",
    "HELLO 2 auth a b",
    "HELLO 3 AUTH default x",
    "HELLO 3 auth x",
    "HELLO 2 setname",
    "AUTH x",
    "AUTH default x",
    "AUTH a b",
    "AUTH a b c",
    "AUTH",
    "CLIENT SETNAME abc",
    "CLIENT GETNAME",
    "CLIENT foo",
    "CLIENT",
    "CLIENT GETNAME x",
    "CLIENT REPLY ON",
    "CLIENT REPLY foo",
    "CLIENT NO-EVICT on",
    "CLIENT NO-EVICT x",
    "CONFIG GET databases",
    "CONFIG GET nosuch timeout",
    "CONFIG GET",
    "CONFIG foo",
    "COMMAND INFO get nosuch MSET",
    "COMMAND INFO client|id",
    "COMMAND GETKEYS mset a b c d",
    "COMMAND GETKEYS get",
    "COMMAND GETKEYS ping x",
    "COMMAND GETKEYS nosuch x",
    "COMMAND GETKEYS set a",
    "COMMAND GETKEYS config|get x y",
    "COMMAND COUNT x",
    "COMMAND DOCS nosuch",
    "COMMAND LIST FILTERBY x y",
    "COMMAND LIST x",
    "COMMAND LIST FILTERBY MODULE x",
    "COMMAND foo",
    "RESET",
    "RESET x",
    "foo",
    "foo a b",
    "client|id",
    "UNWATCH x",
    "MULTI x",
];

type Words = Vec<Vec<u8>>;

fn words(words: &[&str]) -> Words {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// The next command.
pub(crate) fn command(dice: &mut Dice) -> Words {
    let mut command = match dice.below(20) {
        0..=12 => on_keys(dice),
        13 => options_of_set(dice),
        14 => scan(dice),
        15 => wrong_number(dice),
        16 | 17 => words(&FIXED[dice.below(FIXED.len())].split(' ').collect::<Vec<_>>()),
        _ => words(&[dice.pick(&[
            "MULTI", "MULTI", "EXEC", "EXEC", "EXEC", "DISCARD", "UNWATCH", "DBSIZE",
        ])]),
    };
    if dice.one_in(4) {
        command[0].make_ascii_lowercase();
    }
    command
}

fn on_keys(dice: &mut Dice) -> Words {
    let (key, value) = (dice.pick(&KEYS), dice.pick(&VALUES));
    let one = [
        "GET", "GET", "GETDEL", "STRLEN", "INCR", "DECR", "TYPE", "TTL", "PTTL",
    ];
    let two = ["SET", "SET", "SET", "SETNX", "GETSET", "APPEND", "APPEND"];
    let many = ["DEL", "UNLINK", "EXISTS", "TOUCH", "MGET", "WATCH"];
    match dice.below(6) {
        0 | 1 => words(&[dice.pick(&one), key]),
        2 => words(&[dice.pick(&two), key, value]),
        3 => {
            let mut command = words(&[dice.pick(&many)]);
            for _ in 0..=dice.below(4) {
                command.push(dice.pick(&KEYS).into());
            }
            command
        }
        4 => {
            let mut command = words(&[dice.pick(&["MSET", "MSETNX"])]);
            for _ in 0..=dice.below(3) {
                command.extend(words(&[dice.pick(&KEYS), dice.pick(&VALUES)]));
            }
            command
        }
        _ if dice.one_in(4) => words(&["KEYS", dice.pick(&PATTERNS)]),
        _ => words(&[
            dice.pick(&["INCRBY", "DECRBY", "INCRBY"]),
            key,
            dice.pick(&NUMBERS),
        ]),
    }
}

fn options_of_set(dice: &mut Dice) -> Words {
    let mut command = words(&["SET", dice.pick(&KEYS), dice.pick(&VALUES)]);
    // Nothing that would set a time to live, which is refused only here.
    let options = [
        "nx", "XX", "get", "KEEPTTL", "foo", "ex x", "px 0", "exat", "EX x",
    ];
    for _ in 0..=dice.below(3) {
        let option: Vec<&str> = dice.pick(&options).split(' ').collect();
        command.extend(words(&option));
    }
    command
}

fn scan(dice: &mut Dice) -> Words {
    // A right scan asks for all keys at once: the cursors of two servers are not the same.
    let good = [
        "0 count 1000",
        "+0 COUNT 1000",
        "0 count 1000 type string",
        "0 count 1000 type hash",
    ];
    let bad = [
        "x",
        "18446744073709551616",
        "0 count 0",
        "0 count x",
        "0 match",
        "0 foo 1",
        "-x",
    ];
    let arguments = if dice.one_in(2) {
        dice.pick(&good)
    } else {
        dice.pick(&bad)
    };
    let mut command = words(&["SCAN"]);
    command.extend(words(&arguments.split(' ').collect::<Vec<_>>()));
    if dice.one_in(2) {
        command.extend(words(&["MATCH", dice.pick(&PATTERNS)]));
    }
    command
}

fn wrong_number(dice: &mut Dice) -> Words {
    let names = [
        "GET", "SET", "MGET", "MSET", "INCR", "INCRBY", "STRLEN", "DEL", "EXISTS", "SETNX", "KEYS", "SCAN",
        "WATCH", "APPEND",
    ];
    let mut command = words(&[dice.pick(&names)]);
    for _ in 0..[0, 0, 5, 1][dice.below(4)] {
        command.push(dice.pick(&KEYS).into());
    }
    command
}
