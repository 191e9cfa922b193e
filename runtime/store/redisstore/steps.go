package redisstore

import (
	"context"
	"crypto/sha1" //nolint:gosec // the name of a script in Redis, and no protection
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/latchkey-auth/latchkey/runtime/store"
)

// script is a [store.Step]. KEYS are the entries that are read, then those that are swapped. ARGV
// is how many are read, and for each swap the previous value, the next one and its time in
// milliseconds; an empty value stands for none.
//
//nolint:dupword // Lua ends its blocks so
const script = `local reads = tonumber(ARGV[1])
local outcome = {1}
for i = 1, reads do outcome[i + 1] = redis.call('GET', KEYS[i]) end
for i = reads + 1, #KEYS do
  local value = redis.call('GET', KEYS[i])
  if (value or '') ~= ARGV[3 * (i - reads) - 1] then outcome[1] = 0 end
end
if outcome[1] == 1 then
  for i = reads + 1, #KEYS do
    local at = 3 * (i - reads)
    if ARGV[at] == '' then redis.call('DEL', KEYS[i]) else redis.call('SET', KEYS[i], ARGV[at], 'PX', ARGV[at + 1]) end
  end
end
return outcome`

// scriptName is what EVALSHA calls the script.
func scriptName() string {
	sum := sha1.Sum([]byte(script)) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// Do implements [store.Store].
func (s *Store) Do(ctx context.Context, steps ...store.Step) ([]store.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, step := range steps {
		if err := s.check(step); err != nil {
			return nil, err
		}
	}
	if len(steps) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	outcomes, err := s.do(ctx, steps)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", s.name, err)
	}
	return outcomes, nil
}

var errAnswer = errors.New("the server's answer has another shape")

// maxValue is the most that one value may have.
const maxValue = 1 << 20

func (s *Store) check(step store.Step) error {
	for _, swap := range step.Swap {
		if len(swap.Next) > maxValue {
			return store.ErrTooLarge
		}
	}
	return step.Check()
}

// do sends the steps. A server that was restarted or has become the primary does not know the
// script: what it refused is sent again with it, and what is only read again too, to come after it.
func (s *Store) do(ctx context.Context, steps []store.Step) ([]store.Outcome, error) {
	outcomes := make([]store.Outcome, len(steps))
	commands := make(valkey.Commands, 0, len(steps))
	for _, step := range steps {
		commands = append(commands, s.command(step, false))
	}
	results := s.client.DoMulti(ctx, commands...)
	var again []int
	unknown := false
	for i, step := range steps {
		err := read(&outcomes[i], step, results[i])
		e, refused := valkey.IsValkeyErr(err)
		switch {
		case refused && e.IsNoScript():
			unknown, again = true, append(again, i)
		case err != nil:
			return nil, err
		case len(step.Swap) == 0:
			again = append(again, i)
		}
	}
	if !unknown {
		return outcomes, nil
	}
	commands = commands[:0]
	for _, i := range again {
		commands = append(commands, s.command(steps[i], true))
	}
	results = s.client.DoMulti(ctx, commands...)
	for at, i := range again {
		if err := read(&outcomes[i], steps[i], results[at]); err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}

// command is a step as Redis gets it: with the script itself, or its name alone.
func (s *Store) command(step store.Step, withScript bool) valkey.Completed {
	keys := make([]string, 0, len(step.Get)+len(step.Swap))
	for _, key := range step.Get {
		keys = append(keys, s.key(step.Group, key))
	}
	if len(step.Swap) == 0 && len(keys) > 0 {
		return s.client.B().Mget().Key(keys...).Build()
	}
	arguments := []string{strconv.Itoa(len(step.Get))}
	for _, swap := range step.Swap {
		keys = append(keys, s.key(step.Group, swap.Key))
		lasts := (swap.TTL + time.Millisecond - 1) / time.Millisecond
		arguments = append(arguments, string(swap.Previous), string(swap.Next), strconv.FormatInt(int64(lasts), 10))
	}
	if withScript {
		return s.client.B().Eval().Script(script).Numkeys(int64(len(keys))).Key(keys...).Arg(arguments...).Build()
	}
	return s.client.B().Evalsha().Sha1(s.script).Numkeys(int64(len(keys))).Key(keys...).Arg(arguments...).Build()
}

// key is the name of an entry in Redis. What is in braces is its hash tag, by which a cluster finds
// the node: the group alone.
func (s *Store) key(group, key string) string {
	return s.config.Prefix + "{" + strings.NewReplacer("%", "%25", "}", "%7D").Replace(group) + "}" + key
}

// read reads the outcome of a step.
func read(o *store.Outcome, step store.Step, result valkey.ValkeyResult) error {
	list, err := result.ToArray()
	if err != nil {
		return err
	}
	if len(step.Swap) > 0 || len(step.Get) == 0 {
		if len(list) == 0 {
			return errAnswer
		}
		swapped, err := list[0].AsInt64()
		if err != nil {
			return err
		}
		o.Swapped, list = swapped == 1, list[1:]
	}
	o.Values = make([][]byte, len(step.Get))
	if len(list) != len(o.Values) {
		return errAnswer
	}
	for i, value := range list {
		if value.IsNil() {
			continue
		}
		text, err := value.ToString()
		if err != nil {
			return err
		}
		o.Values[i] = []byte(text)
	}
	return nil
}
