// Package robustclient is a client that outlives its connections: it connects
// with patience and without a stampede, knows which errors are worth another
// try, sends all or says how much, tells a slow server from one that is gone,
// and closes without losing the last word.
//
// Messages are lines, as in docs/protocol.md.
//
// The package is built in eight stages, a concept a file:
//
//	backoff.go             1  how long to wait before another try
//	retryable.go           2  which errors are worth one
//	connect.go             3  connect with retry
//	interrupt.go, send.go  4  full send
//	receive.go             5  receive with timeout
//	finish.go              6  graceful close
//	session.go, replies.go 7  requests that take effect exactly once
//	tokens.go, breaker.go  8  storms
//
// The rest is finished: client.go, attempt.go, turn.go, wire.go, guard.go.
package robustclient
