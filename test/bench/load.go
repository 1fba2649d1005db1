package main

import (
	"bufio"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	answerLimit = 20 * time.Second
	failLimit   = 20 // a connection that failed so often gives up
)

// loaded is what a closed loop of requests has met.
type loaded struct {
	good, bad int64
	note      string // the last failure
	took      []time.Duration
	elapsed   time.Duration
}

// quantile is that of the good requests, in ms.
func (l *loaded) quantile(q float64) float64 {
	if len(l.took) == 0 {
		return 0
	}
	return float64(l.took[int(q*float64(len(l.took)-1))]) / 1e6
}

// load sends the requests in a closed loop on conns keep-alive connections; a
// request counts when its whole 2xx answer has been read.
func load(addr string, reqs [][]byte, conns int, length time.Duration) *loaded {
	var wg sync.WaitGroup
	each := make([]loaded, conns)
	start := time.Now()
	for i := range each {
		wg.Add(1)
		go func() {
			defer wg.Done()
			each[i].loop(addr, reqs, i*37, start.Add(length))
		}()
	}
	wg.Wait()
	all := &loaded{elapsed: time.Since(start)}
	for _, l := range each {
		all.good += l.good
		all.bad += l.bad
		all.took = append(all.took, l.took...)
		if l.note != "" {
			all.note = l.note
		}
	}
	slices.Sort(all.took)
	return all
}

// loop is one connection's part, dialled again after a failure.
func (l *loaded) loop(addr string, reqs [][]byte, first int, end time.Time) {
	var conn net.Conn
	var answers *bufio.Reader
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	for n := first; time.Now().Before(end) && l.bad < failLimit; n++ {
		if conn == nil {
			c, err := net.DialTimeout("tcp", addr, 2*time.Second)
			if err != nil {
				l.bad, l.note = l.bad+1, err.Error()
				continue
			}
			conn, answers = c, bufio.NewReaderSize(c, 16<<10)
		}
		sent := time.Now()
		keep, err := ask(conn, answers, reqs[n%len(reqs)])
		if err != nil {
			l.bad, l.note = l.bad+1, err.Error()
		} else {
			l.good++
			l.took = append(l.took, time.Since(sent))
		}
		if err != nil || !keep {
			conn.Close()
			conn = nil
		}
	}
}

// ask sends one request and reads its answer; keep tells whether the
// connection may go on.
func ask(conn net.Conn, answers *bufio.Reader, request []byte) (keep bool, err error) {
	if err := conn.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return false, err
	}
	if _, err := conn.Write(request); err != nil {
		return false, err
	}
	return readAnswer(answers)
}
