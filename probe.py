"""Each probe: '#: name' then code with async/def `job`; wrapped with an app."""
import subprocess, sys, tempfile, pathlib, json, re
text=open(sys.argv[1]).read()
sel=sys.argv[2:]
with tempfile.TemporaryDirectory() as d:
    d=pathlib.Path(d)
    names=[]
    for part in re.split(r"(?m)^#: ", text)[1:]:
        name,_,code=part.partition("\n")
        name=name.strip()
        if sel and not any(s in name for s in sel): continue
        names.append(name)
        body="from fastapi import BackgroundTasks, FastAPI\napp = FastAPI()\n"+code
        if "add_task" not in code: body+="\n@app.post('/')\nasync def start(tasks: BackgroundTasks):\n    tasks.add_task(job)\n"
        p=d/name; p.mkdir(); (p/"m.py").write_text(body)
    for n in names:
        r=subprocess.run(["bglint","--no-cache","--strict","--output-format","json","."],cwd=d/n,capture_output=True,text=True)
        try: f=json.loads(r.stdout)["findings"]
        except Exception: print(n,"ERR",r.stderr[-300:]); continue
        src=(d/n/"m.py").read_text().splitlines()
        print(f"{n:32}", [f"{x['code']}@{src[x['line']-1].strip()[:50]}" for x in f])
