package course_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/course"
)

const manifest = `
title = "TCP server"
package = "tcpserver"
editable = ["frame.go"]

[[stage]]
id = 1
title = "Framing"
[[stage.test]]
name = "TestWhole"

[[stage]]
id = 2
title = "Log in & register, twice"
[[stage.test]]
name = "TestLogin"
`

func TestALabHasManyNames(t *testing.T) {
	dir := workbook(t, manifest)
	c, err := course.Open(filepath.Join(dir))
	require.NoError(t, err)
	for _, ref := range []string{"2", "02", "02-tcp-server", "tcp-server", "labs/02-tcp-server", "labs/02-tcp-server/"} {
		lab, err := c.Lab(ref)
		require.NoError(t, err, ref)
		require.Equal(t, 2, lab.Number)
	}
	_, err = c.Lab("7")
	require.EqualError(t, err, `there is no lab "7"; the labs are 2 (tcp-server)`)
}

func TestAtFindsTheLabAround(t *testing.T) {
	dir := workbook(t, manifest)
	c, err := course.Open(dir)
	require.NoError(t, err)
	require.Equal(t, 2, c.At(filepath.Join(dir, "cmd", "chatd")).Number)
	require.Equal(t, 2, c.At(filepath.Join(c.Root, "solutions", "02-tcp-server")).Number)
	require.Nil(t, c.At(c.Root))
	require.Nil(t, c.At(filepath.Dir(c.Root)))
}

func TestReadIsTheAddressOfAHeading(t *testing.T) {
	lab, err := course.Load(workbook(t, manifest))
	require.NoError(t, err)
	stage, err := lab.Stage(2)
	require.NoError(t, err)
	require.Equal(t, "labs/02-tcp-server/README.md#2-log-in--register-twice", lab.Read(stage))
	_, err = lab.Stage(3)
	require.EqualError(t, err, "lab 2 has stages 1 to 2, and no stage 3")
}

func TestLoadRefusesWhatWouldMakeARunMeaningless(t *testing.T) {
	for want, text := range map[string]string{
		"title is missing":                 `package = "p"`,
		"editable names no file":           "title = \"T\"\npackage = \"p\"\n",
		"must be the name of a .go file":   "title = \"T\"\npackage = \"p\"\neditable = [\"a_test.go\"]\n[[stage]]\nid = 1\n",
		"numbered from 1 without a gap":    "title = \"T\"\npackage = \"p\"\neditable = [\"a.go\"]\n[[stage]]\nid = 2\n",
		"TestA is in stage 1 and in stage": "title = \"T\"\npackage = \"p\"\neditable = [\"a.go\"]\n[[stage]]\nid = 1\ntitle = \"A\"\n[[stage.test]]\nname = \"TestA\"\n[[stage]]\nid = 2\ntitle = \"B\"\n[[stage.test]]\nname = \"TestA\"\n",
	} {
		_, err := course.Load(workbook(t, text))
		require.ErrorContains(t, err, want)
	}
}

func TestHintsAreCutAtTheirHeadings(t *testing.T) {
	dir := workbook(t, manifest)
	hints := "# Hints\n\n## 1. Framing\n\n### Hint 1\n\nA nudge.\n\n### Hint 2\n\n```sh\n# not a heading\n## nor this\n```\n\n## 2. Log in & register, twice\n\n### Hint 1\n\nAnother.\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "hints.md"), []byte(hints), 0o644))
	lab, err := course.Load(dir)
	require.NoError(t, err)

	got, err := lab.Hints(&lab.Stages[0])
	require.NoError(t, err)
	require.Equal(t, []string{"A nudge.", "```sh\n# not a heading\n## nor this\n```"}, got)
	got, err = lab.Hints(&lab.Stages[1])
	require.NoError(t, err)
	require.Equal(t, []string{"Another."}, got)
}

func TestLocateFindsFunctionsAndMethods(t *testing.T) {
	dir := t.TempDir()
	code := "package p\n\nfunc Accept() {}\n\ntype Box[T any] struct{}\n\nfunc (b *Box[T]) Next() {}\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.go"), []byte(code), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "broken.go"), []byte("package p\n\nfunc Half() {}\n\nfunc Rest( {\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a_test.go"), []byte("package p\n\nfunc Tested() {}\n"), 0o644))

	for function, want := range map[string]int{"Accept": 3, "Box.Next": 7, "Half": 3} {
		_, line, ok := course.Locate(dir, function)
		require.True(t, ok, function)
		require.Equal(t, want, line, function)
	}
	_, _, ok := course.Locate(dir, "Tested")
	require.False(t, ok)
}

func TestLocatePrefersWhatIsCompiledHere(t *testing.T) {
	dir := t.TempDir()
	other := "plan9"
	require.NotEqual(t, other, runtime.GOOS)
	for name, code := range map[string]string{
		"a.go":                        "//go:build !" + runtime.GOOS + "\n\npackage p\n\nfunc Open() {}\n",
		"b_" + other + ".go":          "package p\n\nfunc Open() {}\n\nfunc Elsewhere() {}\n",
		"c_" + runtime.GOOS + ".go":   "package p\n\n// Open is the one.\nfunc Open() {}\n",
		"d_" + runtime.GOARCH + ".go": "package p\n\nfunc Half() {}\n\nfunc Rest( {\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(code), 0o644))
	}
	file, line, ok := course.Locate(dir, "Open")
	require.True(t, ok)
	require.Equal(t, "c_"+runtime.GOOS+".go", file)
	require.Equal(t, 4, line)
	for function, want := range map[string]string{"Elsewhere": "b_" + other + ".go", "Half": "d_" + runtime.GOARCH + ".go"} {
		file, _, ok = course.Locate(dir, function)
		require.True(t, ok)
		require.Equal(t, want, file)
	}
}
