package wire

// String is the conversation drawn as a ladder.
func (c *Conversation) String() string { return "" }
