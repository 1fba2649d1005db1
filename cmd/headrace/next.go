package main

import (
	"fmt"
	"sort"
	"time"

	"github.com/spf13/cobra"

	"github.com/headrace/headrace/internal/app"
)

func (a *cli) nextCommand() *cobra.Command {
	var count int
	cmd := &cobra.Command{
		Use: "next [PATH…]", Short: "Show the next ticks of every schedule, in its time zone",
		RunE: func(_ *cobra.Command, paths []string) error {
			if count < 1 || count > maxTicks {
				return &exit{exitBadConfig, fmt.Errorf("--number %d: ask for 1 to %d ticks", count, maxTicks)}
			}
			s, problems := app.Load(a.options(paths))
			p := s.Project
			if problems, _ = p.Runnable(problems); len(problems) > 0 {
				return problems
			}
			type tick struct {
				at   time.Time
				name string
			}
			var ticks []tick
			for _, d := range p.Pipelines {
				if d.Schedule == nil {
					continue
				}
				if remark := d.Schedule.Remark(); remark != "" {
					fmt.Fprintf(a.stderr, "warning: %s: %s\n", d.Name, remark)
				}
				at := time.Now()
				for range count {
					if at = d.Schedule.Next(at); at.IsZero() {
						break
					}
					ticks = append(ticks, tick{at, d.Name})
				}
			}
			sort.SliceStable(ticks, func(i, j int) bool { return ticks[i].at.Before(ticks[j].at) })
			for _, t := range ticks[:min(count, len(ticks))] {
				fmt.Fprintf(a.stdout, "%s  %s\n", t.at.Format("Mon 2006-01-02 15:04:05 -0700 MST"), t.name)
			}
			if len(ticks) == 0 {
				fmt.Fprintln(a.stderr, "no pipeline has a schedule")
			}
			return nil
		},
	}
	cmd.Flags().IntVarP(&count, "number", "n", 10, "how many ticks")
	return cmd
}

// maxTicks bounds what next holds in memory for each pipeline.
const maxTicks = 100_000
