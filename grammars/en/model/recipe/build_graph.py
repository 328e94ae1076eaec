"""build_graph.py MODEL_DIR: graph/HCLr.fst (olabel_lookahead), graph/Gr.fst (relabelled, symbols attached), disambig_tid.int, phones.txt, word_boundary.int, conf/*"""
import sys,os,subprocess,math
from texts import VOCAB,TARGETS,prons,PHONES
from export_mdl import PH,PID,TID,two
M=sys.argv[1]; PEN=float(os.environ.get('UNK_PEN','1.5')); W=f'work/gtmp{os.getpid()}'; os.makedirs(W,exist_ok=True)
for d in('am','conf','graph/phones'): os.makedirs(f'{M}/{d}',exist_ok=True)
words=['<eps>','[unk]']+VOCAB; WID={w:i for i,w in enumerate(words)}
arcs=[]; n=[0]
def new(): n[0]+=1; return n[0]-1
def arc(s,d,i,o,w=0.): arcs.append(f'{s} {d} {i} {o} {w:.5g}')
start=new(); loop=new(); sil=new(); end=new()
S=TID['SIL']; LH=math.log(2)
arc(start,loop,0,0,LH); arc(start,sil,S['f0'],0,LH); arc(sil,sil,S['loop0'],0); arc(sil,loop,0,0)
arc(end,loop,0,0,LH); arc(end,sil,S['f0'],0,LH)
def phone(src,p,olab,dst,w=0.,short=True):
    """one position-dependent phone from state src to dst (Kaldi 'reorder' form: forward tid first, then self-loops on its destination)"""
    t=TID[p]
    if not two(p):
        b=new(); arc(src,b,t['f0'],olab,w); arc(b,b,t['loop0'],0); arc(b,dst,0,0)
    else:
        if short: b=new(); arc(src,b,t['f02'],olab,w); arc(b,b,t['loop0'],0); arc(b,dst,0,0)
        b=new(); arc(src,b,t['f01'],olab,w); arc(b,b,t['loop0'],0)
        c=new(); arc(b,c,t['f12'],0); arc(c,c,t['loop1'],0); arc(c,dst,0,0)
for w in VOCAB:
    for p in prons(w):
        if len(p)==1: phone(loop,p[0]+'_S',WID[w],end); continue
        cur=loop
        for k,x in enumerate(p):
            last=k==len(p)-1; nxt=end if last else new()
            phone(cur,x+('_B' if k==0 else '_E' if last else '_I'),WID[w] if k==0 else 0,nxt); cur=nxt
# [unk]: free phone loop, PEN nats a phone, at least 2 phones
m=new()
for x in PHONES:
    phone(loop,x+'_B',WID['[unk]'],m,PEN,False); phone(m,x+'_I',0,m,PEN,False); phone(m,x+'_E',0,end,PEN)
fin=[f'{loop} 0']
open(W+'/hcl.txt','w').write('\n'.join(sorted(arcs,key=lambda a:int(a.split()[0]))+fin)+'\n')
def sh(c): subprocess.run(c,shell=True,check=True,env=dict(os.environ,LD_LIBRARY_PATH='/usr/lib/x86_64-linux-gnu/fst/22'))
assert arcs and start==0
sh(f'fstcompile {W}/hcl.txt | fstarcsort --sort_type=olabel > {W}/hcl.fst')
sh(f'fstconvert --fst_type=olabel_lookahead --save_relabel_opairs={W}/rel.txt {W}/hcl.fst {M}/graph/HCLr.fst')
rel={int(a):int(b) for a,b in (l.split() for l in open(W+'/rel.txt'))}
assert set(rel)>=set(range(1,len(words))), (len(rel),len(words))
used=set(rel.values()); extra=max(used)+1
sym=[('<eps>',0)]+sorted([(w,rel[WID[w]]) for w in words[1:]],key=lambda x:x[1])
open(W+'/words.txt','w').write(''.join(f'{w} {i}\n' for w,i in sym))
lp=math.log(len(VOCAB)); unk=6.   # default (no grammar) language model: unigram, targets favoured
open(W+'/g.txt','w').write(''.join(f'0 0 {i} {i} {(unk if w=="[unk]" else lp-2*(w in TARGETS)):.3f}\n' for w,i in sym if i)+'0 0\n')
sh(f'fstcompile {W}/g.txt | fstsymbols --isymbols={W}/words.txt --osymbols={W}/words.txt | fstarcsort --sort_type=ilabel | fstconvert --fst_type=const > {M}/graph/Gr.fst')
open(f'{M}/graph/disambig_tid.int','w').write('')
open(f'{M}/graph/phones.txt','w').write('<eps> 0\n'+''.join(f'{p} {PID[p]}\n' for p in PH))
B={'B':'begin','E':'end','I':'internal','S':'singleton'}
open(f'{M}/graph/phones/word_boundary.int','w').write(''.join(f"{PID[p]} {'nonword' if p=='SIL' else B[p[-1]]}\n" for p in PH))
open(f'{M}/conf/mfcc.conf','w').write('--sample-frequency=8000\n--use-energy=false\n--num-mel-bins=32\n--num-ceps=32\n--low-freq=80\n--high-freq=3600\n--cepstral-lifter=0\n--dither=0\n--snip-edges=true\n--allow-upsample=true\n--allow-downsample=true\n')
open(f'{M}/conf/model.conf','w').write('--min-active=100\n--max-active=2000\n--beam=12.0\n--lattice-beam=3.0\n--acoustic-scale=1.0\n--frame-subsampling-factor=3\n--endpoint.silence-phones=1\n--endpoint.rule2.min-trailing-silence=0.5\n--endpoint.rule3.min-trailing-silence=1.0\n--endpoint.rule4.min-trailing-silence=2.0\n')
print('words',len(words),'states',n[0],'arcs',len(arcs)); sh(f'ls -l {M}/graph')
