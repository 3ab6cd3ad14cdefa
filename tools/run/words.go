package run

import (
	"fmt"

	"workbook.example/tools/result"
)

// What a person reads of this package is in this file, to be proof-read and
// translated.
const (
	noGo = "the go command is not there: install Go from https://go.dev/dl and open a new terminal"

	seenNoCompileOne = "Your code does not compile yet, because of one mistake."
	seenNoCompile    = "Your code does not compile yet. The compiler found %d mistakes; the first one may have caused the others."
	seenNoBuild      = "Your code does not build. The go command says why:"
	seenFilesMissing = "The code does not compile: there is no %s. The course has it in %s, which is not in %s any more."
	seenFilesUnknown = "The code does not compile: there is no %s. Was it in %s, which is not in %s any more?"
	whyFilesMissing  = "If it was not you who moved it, this brings it back: git checkout HEAD -- %s"
	andMore          = "others"
	seenRenamed      = "The tests use %s, and your package has no %s. Was it renamed or removed?"
	seenRenamedMany  = "The tests use %s, which your package does not have. Were they renamed or removed?"
	seenSignature    = "Your package compiles, but the tests do not compile against it: they use something in another way than you declare it."
	seenTestsDeleted = "The tests do not compile, because %s is missing. This brings it back: %s"
	seenTestsEdited  = "The tests do not compile, and they are not as the course gives them: see %s."
	seenHelperGone   = "The tests do not compile: one of their files is missing, the one with the function %s. This brings it back: %s"
	moreErrors       = "… %d more"
	moreErrorsYet    = "… %d more, and then the compiler gave up"
	whySignatures    = "Inside, everything is yours to change; the exported names and signatures that the stubs came with are what the laws are checked through."

	seenPanic       = "The code panicked: %s."
	seenExit        = "The code ended the whole process with status %d in the middle of the test."
	seenSignal      = "The process ended with the signal %v in the middle of the test."
	seenKilled      = "The process was killed from outside in the middle of the test. Most often that means that it used up the memory."
	seenMemory      = "The code used up all the memory that there is."
	seenHang        = "For a long time no test began or ended, so the process was asked what it is doing, and ended."
	seenHangAtStart = "No test ever began: something that runs when the package is loaded does not end."
	whyHangAtStart  = "An init function, or the value of a package variable, must be there before anything else can run."
	seenDeadlock    = "All goroutines wait for each other, and nothing can ever happen again."
	seenRace        = "Two goroutines use the same memory at the same time, and at least one of them writes."
	afterItsEnd     = "After the test had ended, something that it had started went on. "

	notTried      = "Not tried: two tests of this stage had hung before."
	notTriedAgain = "Not tried: a test of this stage had hung before, as others had in earlier stages."

	seenSilent         = "%s ran and gave no verdict."
	seenSilentEdited   = "%s ran and gave no verdict. Its file %s is not as the course gives it."
	whyRestored        = "This brings the original back; your changes to it are lost then:"
	whySilentUnchanged = "Its file %s is as it was committed. If you never changed it, this is a fault of the workbook and not of your code: please tell those who gave it to you."
	whySilent          = "Its file is not as the course gives it, or this is a fault of the workbook and not of your code. This brings the original back:"

	seenGoneFrom = "%s is not in %s any more."
	seenGoneWith = "%s is gone, and the whole of its file %s."
	seenGone     = "%s is not in the lab's folder any more."
	seenAllGone  = "None of the lab's tests is in its folder any more."
	whyGone      = "A law that is not checked counts as broken. This brings it back:"

	restoreByHand     = "git log --oneline -- %s   # find the last commit that had it, then: git restore --source=COMMIT …"
	restoreWithoutGit = "copy the missing _test.go file again from the course into %s"

	restoreFileWithoutGit = "copy %s again from the course into %s"

	linesLeftOut = "… %d lines left out …"

	noteEdited  = "%s is not as the course gives it. `git checkout HEAD -- %s` brings the original back; your changes to it are lost then."
	noteBrokenC = "The race detector did not watch: the C compiler that it needs does not work here."
)

// whyKind says why something matters that is no lab's law.
var whyKind = map[result.Kind]string{
	result.KindPanic: "A panic in any goroutine ends the whole program, with everybody who is connected to it.",
	result.KindExit:  "A package returns its errors. Only main may decide that the program ends.",
	result.KindRace:  "The outcome of a race is undefined: it works on your machine today, and loses a message tomorrow.",
}

// lackOfC says that there is no C compiler and how to get one.
func lackOfC(name, goos string) string {
	remedy := "install gcc"
	switch goos {
	case "linux":
		remedy = "install it, e.g. `sudo apt install gcc`"
	case "windows":
		remedy = "install it with MSYS2, or work in WSL"
	}
	return fmt.Sprintf("it needs a C compiler and there is no %s; %s", name, remedy)
}
