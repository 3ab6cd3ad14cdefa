package wire

// What a reader reads of this package itself.
const (
	wordLines  = "… %d lines …"
	wordOthers = "(%d lines of %d other participants are left out)"
)
