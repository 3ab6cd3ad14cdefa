package postmortem_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/postmortem"
)

func TestStuckKeepsWhoMayKeepOthersWaiting(t *testing.T) {
	for trouble, keeps := range map[string]bool{"mutex": true, "write": true, "accept": false, "waits": false} {
		r := postmortem.Parse(dump(t, plain, trouble), scope)
		require.NotEmpty(t, r.Goroutines, trouble)
		if keeps {
			require.Equal(t, r.Goroutines, r.Stuck().Goroutines, trouble)
		} else {
			require.Empty(t, r.Stuck().Goroutines, trouble)
		}
	}
}
