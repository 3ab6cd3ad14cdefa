package course_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/course"
)

// workbook makes a workbook with one lab whose lab.toml is manifest, and
// returns the lab's folder.
func workbook(t *testing.T, manifest string) string {
	t.Helper()
	root := t.TempDir()
	lab := filepath.Join(root, "labs", "02-tcp-server")
	require.NoError(t, os.MkdirAll(lab, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "go.work"), []byte("go 1.26\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(lab, "lab.toml"), []byte(manifest), 0o644))
	return lab
}

func TestLoadReadsALab(t *testing.T) {
	dir := workbook(t, `
title = "TCP server"
package = "tcpserver"
editable = ["frame.go"]

[[stage]]
id = 1
title = "Framing"
points = 10

[[stage.test]]
name = "TestWhole"
law = "A frame is whole."
look = ["Decoder.Next"]
`)
	lab, err := course.Load(dir)
	require.NoError(t, err)
	require.Equal(t, 2, lab.Number)
	require.Equal(t, "02-tcp-server", lab.Folder)
	require.Equal(t, dir, lab.Dir)
	require.Equal(t, filepath.Dir(filepath.Dir(dir)), lab.Root)
	require.Equal(t, "TCP server", lab.Title)
	require.Equal(t, "Framing", lab.StageOf("TestWhole").Title)
	require.Nil(t, lab.StageOf("TestNowhere"))
}

func TestLoadNamesTheUnknownKey(t *testing.T) {
	_, err := course.Load(workbook(t, "titel = \"TCP server\"\n"))
	require.ErrorContains(t, err, "titel")
}

func TestLoadWantsAWorkbook(t *testing.T) {
	dir := workbook(t, "")
	require.NoError(t, os.Remove(filepath.Join(dir, "..", "..", "go.work")))
	_, err := course.Load(dir)
	require.ErrorIs(t, err, course.ErrNoWorkbook)
}
