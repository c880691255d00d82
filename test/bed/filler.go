package bed

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

const (
	// fillerSize is how many bytes are in one key of the filler.
	fillerSize = 1000
	// fillerBatch is how many keys one script handles: others wait meanwhile.
	fillerBatch = 5000
)

// In a cluster every primary is asked for all keys, and takes those that are
// its own: a script may touch several slots if it says so, and is told of keys
// that are elsewhere.
const (
	scriptHead = `#!lua flags=allow-cross-slot-keys
local done = 0
for i = tonumber(ARGV[1]), tonumber(ARGV[1]) + tonumber(ARGV[2]) - 1 do
  local key = 'filler:' .. i
`
	scriptTail = `
  if type(reply) == 'table' and reply.err then
    if not string.find(reply.err, 'non local key', 1, true) then return reply end
  elseif reply ~= 0 then
    done = done + 1
  end
end
return done`
	// fillScript makes ARGV[2] keys from number ARGV[1] on, of ARGV[3] bytes each,
	// and findScript counts those that are there.
	fillScript = scriptHead + `  local reply = redis.pcall('SET', key, i .. string.rep('x', tonumber(ARGV[3])))` + scriptTail
	findScript = scriptHead + `  local reply = redis.pcall('EXISTS', key)` + scriptTail
)

// Fill puts about so many bytes of data into the primaries.
func (i *Instance) Fill(ctx context.Context, bytes int) error {
	return i.eachBatch(ctx, bytes, func(at, n int) error {
		done, err := i.onPrimaries(ctx, fillScript, at, n)
		if err == nil && done != n {
			err = fmt.Errorf("%d of %d keys were taken", done, n)
		}
		if err != nil {
			return fmt.Errorf("fill %s: %w", i.Name, err)
		}
		return nil
	})
}

// Unfilled is how many keys are missing of those that Fill made.
func (i *Instance) Unfilled(ctx context.Context, bytes int) (int, error) {
	missing := 0
	err := i.eachBatch(ctx, bytes, func(at, n int) error {
		there, err := i.onPrimaries(ctx, findScript, at, n)
		missing += n - there
		return err
	})
	return missing, err
}

func (i *Instance) eachBatch(ctx context.Context, bytes int, do func(at, n int) error) error {
	for at := 0; at < bytes/fillerSize; at += fillerBatch {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := do(at, min(fillerBatch, bytes/fillerSize-at)); err != nil {
			return err
		}
	}
	return nil
}

// onPrimaries runs a script on every primary and adds up what they answer.
func (i *Instance) onPrimaries(ctx context.Context, script string, at, n int) (int, error) {
	primaries, err := i.Primaries(ctx)
	if err != nil {
		return 0, err
	}
	sum, errs := 0, []error(nil)
	for _, pod := range primaries {
		out, err := i.Command(ctx, pod, "EVAL", script, "0", strconv.Itoa(at), strconv.Itoa(n), strconv.Itoa(fillerSize))
		if err == nil {
			var done int
			done, err = strconv.Atoi(out)
			sum += done
		}
		errs = append(errs, err)
	}
	return sum, errors.Join(errs...)
}
