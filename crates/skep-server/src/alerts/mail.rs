//! E-mail: one message, handed to a server by SMTP (RFC 5321), over TLS unless the plan says otherwise.
//!
//! Only what sending needs is spoken. What the message is made of is in [`mime`](super::mime).

use super::{
    Trouble,
    mime::{base64, checked, letter},
    secret,
    wire::{self, Reach},
};
use skep_core::alert::route::{Email, Tls};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// A server must have taken a message within this time.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest line of an answer, in bytes.
const LINE: u64 = 4 * 1024;
/// The most lines of an answer.
const LINES: usize = 100;

/// What is mailed.
pub(super) struct Mail {
    pub(super) id: String,
    pub(super) subject: String,
    pub(super) text: String,
}

/// Mails it, or says why it could not be.
pub(super) async fn send(email: &Email, mail: &Mail) -> Result<(), Trouble> {
    tokio::time::timeout(PATIENCE, sent(email, mail))
        .await
        .unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(Trouble::passing(format!(
                "the mail server took over {seconds}s"
            )))
        })
}

async fn sent(email: &Email, mail: &Mail) -> Result<(), Trouble> {
    // A mail server in one's own network is the rule, not an attack: who names one also names its password.
    let (stream, _) = wire::connect(&email.host, email.port, Reach::Any).await?;
    match email.tls {
        Tls::Implicit => {
            let stream = wire::encrypt(&email.host, stream).await?;
            let mut talk = Talk::greeted(stream).await?;
            talk.hello().await?;
            talk.deliver(email, mail).await
        }
        Tls::Starttls => {
            let mut talk = Talk::greeted(stream).await?;
            if !talk.hello().await?.iter().any(|word| word == "STARTTLS") {
                return Err(Trouble::lasting(
                    "the mail server offers no encryption (STARTTLS); nothing was sent",
                ));
            }
            talk.ask("STARTTLS", &[220]).await?;
            // What came before the encryption could be anybody's: it is thrown away with the reader.
            let stream = talk.stream.into_inner();
            let stream = wire::encrypt(&email.host, stream).await?;
            let mut talk = Talk::new(stream);
            talk.hello().await?;
            talk.deliver(email, mail).await
        }
        Tls::None => {
            let mut talk = Talk::greeted(stream).await?;
            talk.hello().await?;
            talk.deliver(email, mail).await
        }
    }
}

/// A conversation with a server.
struct Talk<S> {
    stream: BufReader<S>,
}

/// An answer: its number, and the text of each line.
struct Answer {
    code: u16,
    lines: Vec<String>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    fn new(stream: S) -> Talk<S> {
        Talk {
            stream: BufReader::new(stream),
        }
    }

    async fn greeted(stream: S) -> Result<Talk<S>, Trouble> {
        let mut talk = Talk::new(stream);
        let answer = talk.answer().await?;
        judge("its greeting", &answer, &[220])?;
        Ok(talk)
    }

    /// What the server can do.
    async fn hello(&mut self) -> Result<Vec<String>, Trouble> {
        let answer = self.ask("EHLO localhost", &[250]).await?;
        Ok(answer
            .lines
            .iter()
            .map(|l| l.trim().to_uppercase())
            .collect())
    }

    async fn deliver(&mut self, email: &Email, mail: &Mail) -> Result<(), Trouble> {
        if let Some((user, password)) = &email.login {
            self.log_in(user, &secret::read(password)?).await?;
        }
        self.ask(&format!("MAIL FROM:<{}>", checked(&email.from)?), &[250])
            .await?;
        let mut refused = None;
        let mut taken = 0;
        for to in &email.to {
            match self
                .ask(&format!("RCPT TO:<{}>", checked(to)?), &[250, 251])
                .await
            {
                Ok(_) => taken += 1,
                Err(trouble) if trouble.for_good => refused = Some(trouble),
                Err(trouble) => return Err(trouble),
            }
        }
        if let (0, Some(trouble)) = (taken, refused) {
            return Err(trouble);
        }
        self.ask("DATA", &[354]).await?;
        self.say(&format!("{}\r\n.", letter(email, mail))).await?;
        let answer = self.answer().await?;
        judge("the message", &answer, &[250])?;
        // It is the server's now, whatever becomes of the connection.
        let _ = self.say("QUIT").await;
        Ok(())
    }

    async fn log_in(&mut self, user: &str, password: &str) -> Result<(), Trouble> {
        let words = base64(format!("\0{user}\0{password}").as_bytes());
        // Not by `ask`, whose errors name the command.
        self.say(&format!("AUTH PLAIN {words}")).await?;
        let mut answer = self.answer().await?;
        // What it says is told to people, and there are servers that repeat what they hear.
        let repeats = |line: &String| line.contains(&words) || line.contains(password);
        answer.lines.retain(|line| !repeats(line));
        judge("the login", &answer, &[235])
    }

    async fn ask(&mut self, command: &str, wanted: &[u16]) -> Result<Answer, Trouble> {
        self.say(command).await?;
        let answer = self.answer().await?;
        judge(command, &answer, wanted)?;
        Ok(answer)
    }

    async fn say(&mut self, line: &str) -> Result<(), Trouble> {
        let bytes = format!("{line}\r\n");
        let stream = self.stream.get_mut();
        let written = stream.write_all(bytes.as_bytes()).await;
        written.map_err(broken)?;
        stream.flush().await.map_err(broken)
    }

    async fn answer(&mut self) -> Result<Answer, Trouble> {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            let read = (&mut self.stream)
                .take(LINE)
                .read_until(b'\n', &mut line)
                .await;
            read.map_err(broken)?;
            if !line.ends_with(b"\n") {
                return Err(Trouble::passing("the mail server broke off"));
            }
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end();
            let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
            let Some(code) = code else {
                return Err(Trouble::passing("what answers is no mail server"));
            };
            lines.push(line.get(4..).unwrap_or_default().to_string());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(Answer { code, lines });
            }
            if lines.len() > LINES {
                return Err(Trouble::passing("the mail server's answer has no end"));
            }
        }
    }
}

fn broken(error: std::io::Error) -> Trouble {
    Trouble::passing(format!("the connection to the mail server failed: {error}"))
}

fn judge(what: &str, answer: &Answer, wanted: &[u16]) -> Result<(), Trouble> {
    if wanted.contains(&answer.code) {
        return Ok(());
    }
    let said = answer.lines.last().map_or("", String::as_str);
    let text = format!("to {what} the mail server said {} {said}", answer.code);
    Err(if (500..600).contains(&answer.code) {
        Trouble::lasting(text)
    } else {
        Trouble::passing(text)
    })
}
