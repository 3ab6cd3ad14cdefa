package course

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Course is a workbook on disk.
type Course struct {
	Root string // absolute path
	Labs []*Lab // by number
}

// Open reads the workbook that dir is in: the nearest folder upwards that has
// a go.work and labs beside it.
func Open(dir string) (*Course, error) {
	top, err := root(dir)
	if err != nil {
		return nil, err
	}
	manifests, err := filepath.Glob(filepath.Join(top, "labs", "*", "lab.toml"))
	if err != nil {
		return nil, err
	}
	c := &Course{Root: top}
	for _, manifest := range manifests {
		lab, err := Load(filepath.Dir(manifest))
		if err != nil {
			return nil, err
		}
		c.Labs = append(c.Labs, lab)
	}
	slices.SortFunc(c.Labs, func(a, b *Lab) int { return a.Number - b.Number })
	return c, nil
}

// Lab finds a lab by what people call it: its number, its folder's name or
// path, or its short name (2, 02-tcp-server, labs/02-tcp-server, tcp-server).
func (c *Course) Lab(ref string) (*Lab, error) {
	name := filepath.Base(filepath.ToSlash(strings.TrimSpace(ref)))
	for _, lab := range c.Labs {
		if n, err := strconv.Atoi(name); err == nil && n == lab.Number {
			return lab, nil
		}
		if name == lab.Folder || name == lab.Short() {
			return lab, nil
		}
	}
	return nil, fmt.Errorf("there is no lab %q; the labs are %s", ref, c.names())
}

// At finds the lab whose folder, or whose solution's folder, dir is in; nil if
// it is in neither.
func (c *Course) At(dir string) *Lab {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil
	}
	rel, err := filepath.Rel(c.Root, dir)
	if err != nil {
		return nil
	}
	parts := strings.Split(filepath.ToSlash(rel), "/")
	if len(parts) < 2 || parts[0] != "labs" && parts[0] != "solutions" {
		return nil
	}
	for _, lab := range c.Labs {
		if lab.Folder == parts[1] {
			return lab
		}
	}
	return nil
}

func (c *Course) names() string {
	var names []string
	for _, lab := range c.Labs {
		names = append(names, fmt.Sprintf("%d (%s)", lab.Number, lab.Short()))
	}
	return strings.Join(names, ", ")
}
