package labtest_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/labtest"
)

func TestNameServerAnswers(tt *testing.T) {
	t := labtest.Begin(tt)
	names := t.NameServer()
	names.Answer("chat.test", "127.0.0.1", "127.0.0.2", "::1")
	r := names.Resolver()
	v4, err := r.LookupNetIP(t.Context(), "ip4", "chat.test")
	require.NoError(t, err)
	require.Len(t, v4, 2)
	all, err := r.LookupHost(t.Context(), "CHAT.test.")
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"127.0.0.1", "127.0.0.2", "::1"}, all)
	require.GreaterOrEqual(t, names.Queries("chat.test"), 3)
	require.Zero(t, names.Queries("other.test"))
}

func TestNameServerFails(tt *testing.T) {
	t := labtest.Begin(tt)
	names := t.NameServer()
	for _, c := range []struct {
		how                          labtest.NameFault
		notFound, temporary, timeout bool
	}{
		{labtest.NXDomain, true, false, false},
		{labtest.NoData, true, false, false},
		{labtest.ServFail, false, true, false},
		{labtest.Silent, false, true, true},
	} {
		names.Fail("chat.test", c.how)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_, err := names.Resolver().LookupHost(ctx, "chat.test")
		cancel()
		var e *net.DNSError
		require.ErrorAs(t, err, &e)
		require.Equal(t, c.notFound, e.IsNotFound, "%v", err)
		require.Equal(t, c.temporary || c.timeout, e.Temporary(), "%v", err)
		require.Equal(t, c.timeout, e.IsTimeout, "%v", err)
	}
	names.Answer("chat.test", "127.0.0.1") // it is well again
	_, err := names.Resolver().LookupHost(t.Context(), "chat.test")
	require.NoError(t, err)

	_, err = names.Resolver().LookupHost(t.Context(), "unheard-of.test")
	var e *net.DNSError
	require.ErrorAs(t, err, &e)
	require.True(t, e.IsNotFound)
}

func TestFullListenerAnswersNobody(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, network := range []string{"tcp4", "tcp6"} {
		l := t.FullListener(network)
		for range 3 {
			_, err := net.DialTimeout("tcp", l.Addr(), 50*time.Millisecond)
			var e net.Error
			require.ErrorAs(t, err, &e)
			require.True(t, e.Timeout(), "%v", err)
		}
	}
}
