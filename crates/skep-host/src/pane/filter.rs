//! Making an agent's output harmless to the terminal that shows it: text, colours and redrawn lines pass,
//! everything else that would drive a terminal (titles, the clipboard, the screen) is shown as what it is.

/// The longest sequence of parameters that is still a colour.
const PARAMETERS: usize = 32;
const ESCAPE: u8 = 0x1b;

/// A filter over a stream that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Filter {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Text,
    /// After `ESC`.
    Escape,
    /// After `ESC [` and these parameters.
    Sequence(Vec<u8>),
    /// After the byte that begins the controls U+0080 to U+009F in UTF-8.
    High,
}

impl Filter {
    /// Appends to `out` what of `bytes` may be shown.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            self.one(*byte, out);
        }
    }

    fn one(&mut self, byte: u8, out: &mut Vec<u8>) {
        match (std::mem::take(&mut self.state), byte) {
            (State::Text, ESCAPE) => self.state = State::Escape,
            (State::Text, 0xC2) => self.state = State::High,
            (State::Text, b'\n' | b'\r' | b'\t' | 8 | 0x20..=0x7e | 0x80..) => out.push(byte),
            (State::Text, _) => out.extend([b'^', byte ^ 0x40]),
            (State::Escape, b'[') => self.state = State::Sequence(Vec::new()),
            (State::Escape, _) => {
                out.extend(b"^[");
                self.one(byte, out);
            }
            (State::Sequence(mut parameters), b'0'..=b'9' | b';' | b':')
                if parameters.len() < PARAMETERS =>
            {
                parameters.push(byte);
                self.state = State::Sequence(parameters);
            }
            // Colours, and clearing the line that is being redrawn.
            (State::Sequence(parameters), b'm' | b'K') => {
                out.extend([ESCAPE, b'[']);
                out.extend(parameters);
                out.push(byte);
            }
            (State::Sequence(parameters), _) => {
                out.extend(b"^[[");
                out.extend(parameters);
                self.one(byte, out);
            }
            (State::High, 0x80..=0x9F) => out.push(b'?'),
            (State::High, _) => {
                out.push(0xC2);
                self.one(byte, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pieces: &[&[u8]]) -> String {
        let (mut filter, mut out) = (Filter::default(), Vec::new());
        for piece in pieces {
            filter.push(piece, &mut out);
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    // proves: T-3, W-2
    #[test]
    fn text_and_colours_pass_and_what_drives_a_terminal_is_shown() {
        let plain = "grün → 10 %\r\n\tnext \x1b[1;31mred\x1b[0m 10 %\r\x1b[K20 %";
        assert_eq!(shown(&[plain.as_bytes()]), plain);
        for (sent, seen) in [
            ("\x1b]2;a title\x07", "^[]2;a title^G"),
            ("\x1b]52;c;aGk=\x1b\\", "^[]52;c;aGk=^[\\"),
            ("\x1bPtmux;\x1b\x1b]2;x\x07\x1b\\", "^[Ptmux;^[^[]2;x^G^[\\"),
            ("\x1b[2J\x1b[1;1H", "^[[2J^[[1;1H"),
            ("\x1b[?1049h", "^[[?1049h"),
            ("\u{9b}2J \u{9d}2;x", "?2J ?2;x"),
            ("\x1b[\x1b[31m", "^[[\x1b[31m"),
            ("\0\x7f", "^@^?"),
        ] {
            assert_eq!(shown(&[sent.as_bytes()]), seen, "{sent:?}");
            // However it is cut into pieces.
            let bytes: Vec<&[u8]> = sent.as_bytes().chunks(1).collect();
            assert_eq!(shown(&bytes), seen, "{sent:?} in pieces");
        }
        let long = format!("\x1b[{}m", "1;".repeat(100));
        assert!(!shown(&[long.as_bytes()]).contains('\x1b'));
    }
}
