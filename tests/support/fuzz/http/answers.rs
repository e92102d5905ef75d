//! A reader of HTTP answers that shares no code with what writes them.

/// An answer, as a browser reads it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Whether nothing of it is missing.
    pub(super) is_whole: bool,
}

impl Answer {
    /// The value of a header. No header may be there twice.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let values: Vec<&str> = self
            .headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| &value[..])
            .collect();
        assert!(values.len() < 2, "{name} is there twice");
        values.first().copied()
    }

    pub(super) fn closes(&self) -> bool {
        self.header("Connection") == Some("close")
    }
}

/// Reads all that was sent before the connection was closed. Says of each answer, by its number, whether it can have a body.
pub(super) fn read(mut bytes: &[u8], is_head: impl Fn(usize) -> Option<bool>) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    while !bytes.is_empty() {
        assert!(!answers.last().is_some_and(Answer::closes), "something follows the last answer");
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            // Cut in the middle of a head, which is still one line after the other.
            assert!(b"HTTP/1.1 ".starts_with(&bytes[..bytes.len().min(9)]), "no answer begins");
            answers.push(Answer { status: 0, headers: Vec::new(), body: Vec::new(), is_whole: false });
            return answers;
        };
        let (head, rest) = bytes.split_at(end);
        let mut answer = read_head(std::str::from_utf8(head).expect("a head is text"));
        bytes = &rest[4..];
        match is_head(answers.len()) {
            // Of a request that was refused, only the refusal says what it was.
            None if bytes.is_empty() => {}
            Some(true) => {}
            Some(false) | None => bytes = read_body(&mut answer, bytes),
        }
        answers.push(answer);
    }
    answers
}

fn read_head(head: &str) -> Answer {
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").expect("a status line");
    let (status, reason) = status.split_once(' ').expect("a status and a reason");
    assert!(status.len() == 3 && reason.bytes().all(|byte| byte == b' ' || byte.is_ascii_alphabetic()));
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").expect("a name and a value");
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
        assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{value:?}");
        (name.to_owned(), value.to_owned())
    });
    let answer = Answer {
        status: status.parse().expect("a number"),
        headers: headers.collect(),
        body: Vec::new(),
        is_whole: true,
    };
    assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
    assert!(answer.header("Content-Security-Policy").unwrap().starts_with("default-src 'none'; "));
    assert!(answer.header("Cache-Control").is_some());
    answer
}

/// Takes the body off what follows a head.
fn read_body<'a>(answer: &mut Answer, bytes: &'a [u8]) -> &'a [u8] {
    if [204, 304].contains(&answer.status) {
        assert_eq!(answer.header("Content-Length"), None);
        assert_eq!(answer.header("Transfer-Encoding"), None);
        return bytes;
    }
    match (answer.header("Content-Length"), answer.header("Transfer-Encoding")) {
        (Some(length), None) => {
            let length: usize = length.parse().expect("a length");
            let (body, rest) = bytes.split_at(length.min(bytes.len()));
            answer.is_whole = body.len() == length;
            answer.body = body.to_vec();
            rest
        }
        (None, Some("chunked")) => read_chunks(answer, bytes),
        (None, None) => {
            assert!(answer.closes(), "the body has no end");
            answer.body = bytes.to_vec();
            &[]
        }
        framing => panic!("a body is framed by {framing:?}"),
    }
}

fn read_chunks<'a>(answer: &mut Answer, mut bytes: &'a [u8]) -> &'a [u8] {
    answer.is_whole = false;
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let digits = std::str::from_utf8(&bytes[..end]).expect("digits");
        assert!(digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digits:?}");
        let length = usize::from_str_radix(digits, 16).expect("a length");
        let rest = &bytes[end + 2..];
        let chunk = &rest[..length.min(rest.len())];
        answer.body.extend(chunk);
        let Some((behind, rest)) = rest[chunk.len()..].split_at_checked(2) else { return &[] };
        assert_eq!(behind, b"\r\n", "a chunk is longer than it says");
        if length == 0 {
            answer.is_whole = true;
            return rest;
        }
        bytes = rest;
    }
    &[]
}
