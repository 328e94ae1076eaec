"""gen_cheap_people.py SEED KIND SECONDS_AUDIO: flite | pico | espeak | festival -> work/syn/KIND_SEED.{i16,jsonl} (16 kHz)"""
import sys,random,json,subprocess,os,io,wave,numpy as np,time
from scipy.signal import resample_poly
import texts3 as texts
seed=int(sys.argv[1]); kind=sys.argv[2]; need=float(sys.argv[3]); B='work/syn/'; os.makedirs(B,exist_ok=True)
r=random.Random(seed*77+len(kind)); tmp=f'work/t_{kind}_{seed}.wav'
def rd(b):
    w=wave.open(io.BytesIO(b)); sr=w.getframerate(); a=np.frombuffer(w.readframes(1<<30),'<i2').astype(np.float32); return a,sr
if kind=='pico':
    from py_nanotts import NanoTTS; nt=NanoTTS()
ESV=['m1','m2','m3','m4','m5','m6','m7','m8','f1','f2','f3','f4','f5','adam','Alex','Alicia','Andrea','Andy','Annie','belinda','benjamin','david','Denis','ed','Gene','linda','Mike','Michael','steph','paul','rob','klatt2','klatt4','max','john','shelby','travis','victor','zac','quincy','grandma','grandpa']
of=open(B+f'{kind}_{seed}.i16','ab'); mf=open(B+f'{kind}_{seed}.jsonl','a'); tot=0
while tot<need:
    ch=texts.sample(r); lab=texts.labels(ch)
    if not lab: continue
    text=(r.choice(['. ',', ']) ).join(ch)+r.choice('..?')
    try:
        if kind=='flite':
            v=r.choice(['awb','rms','rms','kal16']); a=['flite','-voice',v,'--setf',f'duration_stretch={r.uniform(.75,1.3):.2f}']
            if v!='kal16': a+=['--setf',f'int_f0_target_mean={r.uniform(80,200):.0f}']
            subprocess.run(a+['-t',text,'-o',tmp],check=True,stdout=subprocess.DEVNULL,stderr=subprocess.DEVNULL); y,sr=rd(open(tmp,'rb').read()); name='flite_'+v
        elif kind=='pico':
            v=r.choice(['en-US','en-GB']); y=np.frombuffer(nt.speak(text,voice=v,speed=r.uniform(.75,1.35),pitch=r.uniform(.75,1.3)),'<i2').astype(np.float32); sr=16000; name='pico_'+v
        elif kind=='espeak':
            v=r.choice(['en-us','en-us','en-gb','en-gb-scotland','en-gb-x-rp'])+'+'+r.choice(ESV); name='espeak_'+v
            b=subprocess.run(['espeak-ng','-v',v,'-s',str(r.randint(115,200)),'-p',str(r.randint(25,75)),'--stdout',text],check=True,capture_output=True).stdout; y,sr=rd(b)
        elif kind=='festival':
            v=r.choice(['kal_diphone','ked_diphone']); name='festival_'+v
            subprocess.run(['text2wave','-eval',f'(voice_{v})','-eval',f"(Parameter.set 'Duration_Stretch {r.uniform(.75,1.3):.2f})",'-o',tmp],input=text.encode(),check=True,stderr=subprocess.DEVNULL); y,sr=rd(open(tmp,'rb').read())
    except Exception as e: print('ERR',str(e)[:80],text,flush=True); continue
    if len(y)<1000: continue
    if sr!=16000:
        from math import gcd; g=gcd(sr,16000); y=resample_poly(y,16000//g,sr//g)
    # trim digital silence
    e=np.abs(y)>0.01*np.abs(y).max(); i=np.flatnonzero(e); y=y[max(0,i[0]-400):i[-1]+800]
    y=(y/np.abs(y).max()*.7*32767).astype('<i2'); of.write(y.tobytes()); of.flush()
    mf.write(json.dumps(dict(n=len(y),text=ch,lab=lab,voice=name))+'\n'); mf.flush(); tot+=len(y)/16000
print('done',kind,tot)
