"""people.py: the recordings of people that may be trained on, and the split. DATA (env, default data) holds */manifest.tsv.
Held out for tests: every speaker of the folder HELD (env; file names begin with the speaker).
Validation: gsc speakers whose hash is 0 modulo 10, Heidelberg speakers 02 and 09."""
import os,re,glob,csv,json,random,collections,texts
D=os.environ.get('DATA','data'); H=os.environ['HELD']
HELD={os.path.basename(f)[:8] for f in glob.glob(H+'/*/*.wav')}
assert len(HELD)>=40
PR={'snowboy':'S N OW B OY','jarvis':'JH AA R V AH S','alexa':'AH L EH K S AH','athena':'AH TH IY N AH','amelia':'AH M IY L Y AH','sheila':'SH IY L AH','marvin':'M AA R V IH N','wow':'W AW'}
def prons(w): return [PR[w].split()] if w in PR else texts.prons(w)
def rows():
    for c in ('gsc','heidelberg-digits','audiomnist-part','felixchenfy','mycroft-precise','picovoice-wake','kathleen'):
        for r in csv.DictReader(open(f'{D}/{c}/manifest.tsv'),delimiter='\t',quoting=csv.QUOTE_NONE):
            if r['language']!='en' or not r['text']: continue
            w=re.sub(r"[^a-z' ]"," ",r['text'].lower().replace('-',' ')).split()
            if not w or any(ch.isdigit() for ch in r['text']): continue
            lab=[prons(x)[0] if prons(x) else None for x in w]
            if None in lab: continue
            s=r['speaker']; v=False
            if c=='gsc':
                h=re.search(r'([0-9a-f]{8})_nohash',r['source'] or r['path']) or re.search(r'([0-9a-f]{8})',s); h=h.group(1)
                if h in HELD or s[4:] in HELD or os.path.basename(r['path'])[:8] in HELD: continue
                v=int(h,16)%10==0
            if c=='heidelberg-digits': v=s in('hd-02','hd-09')
            yield dict(path=f'{D}/{c}/'+r['path'],corpus=c,speaker=s,words=w,lab=lab,val=v)
    # gsc clips whose label was lost; pseudo-labelled (see ATTRIBUTION.md): six and yes only, confidence of the old model >= 0.9
    p='gsc-pseudo.tsv'
    if os.path.exists(p):
        for l in open(p):
            if l[0]=='#': continue
            s,h,k,t,conf=l.split('\t')
            if h in HELD: continue
            yield dict(path=f'{D}/gsc-pseudo/{s}.wav',corpus='gsc-pseudo',speaker='gsc-'+h,words=[t],lab=[texts.prons(t)[0]],val=int(h,16)%10==0)
CAP=dict(zero=950,one=950,two=950,three=950,four=950,five=950,six=1000,seven=1000,eight=1000,nine=1000,yes=800,no=800,stop=450,go=400,up=400,down=400,on=350,off=350)
REP={'six':2,'seven':2,'nine':2,'eight':1,'yes':2,'no':2}
def pick(seed):
    """a balanced draw of the training rows, another one for each seed"""
    r=random.Random(seed); g=collections.defaultdict(list)
    for x in rows():
        if not x['val']: g[' '.join(x['words']) if x['corpus']!='kathleen' else '*'].append(x)
    out=[]
    for k,l in sorted(g.items()):
        cap=CAP.get(k,500 if k=='*' else 120 if l[0]['corpus'] in('mycroft-precise','picovoice-wake') else 520)
        if k=='nine' or k=='seven' or k=='six':          # rare in gsc: all of those four times, the studio digits fill up
            a=[x for x in l if x['corpus'].startswith('gsc')]; b=[x for x in l if not x['corpus'].startswith('gsc')]; r.shuffle(b)
            l2=a*(4 if len(a)<100 else 2); l2+=b[:max(0,cap-len(l2))]
        else:
            rep=REP.get(k,1 if len(l)>60 else 4); l2=l*rep; r.shuffle(l2); l2=l2[:cap]
        out+=l2
    r.shuffle(out); return out
if __name__=='__main__':
    t=list(rows()); 
    for v in(False,True): print('val' if v else 'train',sum(x['val']==v for x in t),'speakers',len({x['speaker'] for x in t if x['val']==v}),collections.Counter((x['corpus'],' '.join(x['words'])) for x in t if x['val']==v and x['corpus']!='kathleen').most_common(90))
    p=pick(1); print(len(p),len({id(x) for x in p}),collections.Counter(' '.join(x['words']) for x in p if x['corpus']!='kathleen').most_common(60))
