"""What the skills in .claude/skills say, held against this repository: `make skills-check`, and tests/test_skills.py.

Skills are for coding agents, who do what is written. So whatever stands in a code span or in a bash block must be true:

    command        a bash line, or a span that begins with dvc, tunewright, make, python, git or pip
    metric         `metrics/generate-gate.json:pass_rate`, a file and a key in it
    path           `conf/domain/<domain>/rubric.yaml`, `{a,b}` spelled out; there, or made by a stage or a command
    override       `preset=tight`; conf/ has the option or the key (`make skills-check` composes it too)
    key            `preset.gate.readers`; in conf/
    stage          `train-export@base`; in dvc.yaml
    variable       `TUNEWRIGHT_CACHE`; a word of the code
    name           `stays_in_scope`; a word of the code, of conf/, of prompts or of authored data
    link           relative, with its anchor

Everything else in a span is a word of the text. Upper-case words in commands are slots (commands.py has them).
"""
