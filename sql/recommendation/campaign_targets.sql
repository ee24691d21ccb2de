-- One row per segment, product and reason: customers who viewed or carted the product lately and never bought
-- it. Segments are those of RFM and of engagement (`segment_kind`). A customer stands once per product, as
-- `carted` if they put it into the cart within the last 30 days, else as `viewed`. `conversion` is that of
-- the segment for the reason: of the pairs of member and product viewed (or carted) in these days, the part
-- bought since; `expected_conversion` draws it towards that of everybody by core.parameters.min_group_size
-- pairs, because segments are made of what people did: prospects have never bought by definition, and some
-- will. The score is what a campaign can be expected to bring: customers who agreed to marketing × list price
-- × expected conversion. Goods that are sold and in stock only. Segments with few pairs are shown without a
-- rank.
with clock as (
    select
        c.as_of_date,
        c.currency,
        p.min_group_size,
        30 as days
    from core.clock as c
    cross join core.parameters as p
),

looked as (
    select
        a.customer_id,
        a.product_id,
        min(a.occurred_date) as first_date,
        bool_or(a.event_type = 'cart') as is_carted,
        bool_or(a.event_type = 'view') as is_viewed
    from core.activity as a
    cross join clock as c
    where a.customer_id is not null
        and a.product_id is not null
        and a.event_type in ('view', 'cart')
        and a.occurred_date > c.as_of_date - c.days
    group by a.customer_id, a.product_id
),

bought as (
    select
        s.customer_id,
        s.product_id,
        max(s.sold_date) as last_date
    from core.sales as s
    cross join clock as c
    where s.is_valid and s.line_type = 'sale' and s.customer_id is not null and s.sold_date <= c.as_of_date
    group by s.customer_id, s.product_id
),

pairs as (
    select
        l.customer_id,
        l.product_id,
        l.is_carted,
        l.is_viewed,
        b.customer_id is not null as is_bought,
        coalesce(b.last_date >= l.first_date, false) as is_bought_lately
    from looked as l
    left join bought as b on l.customer_id = b.customer_id and l.product_id = b.product_id
),

members as (
    select
        r.customer_id,
        'rfm' as segment_kind,
        r.segment
    from customer.rfm as r
    union all
    select
        e.customer_id,
        'engagement' as segment_kind,
        e.engagement_segment as segment
    from customer.engagement as e
),

reasons as (
    select
        p.customer_id,
        p.product_id,
        'carted' as reason,
        p.is_bought,
        p.is_bought_lately,
        true as is_deepest
    from pairs as p
    where p.is_carted
    union all
    select
        p.customer_id,
        p.product_id,
        'viewed' as reason,
        p.is_bought,
        p.is_bought_lately,
        not p.is_carted as is_deepest
    from pairs as p
    where p.is_viewed
),

conversions as (
    select
        m.segment_kind,
        m.segment,
        r.reason,
        count(*) as segment_pairs,
        count(*) filter (where r.is_bought_lately) as segment_pairs_bought
    from reasons as r
    inner join members as m on r.customer_id = m.customer_id
    group by m.segment_kind, m.segment, r.reason
),

overall as (
    select
        r.reason,
        count(*) as pairs,
        count(*) filter (where r.is_bought_lately) as pairs_bought
    from reasons as r
    group by r.reason
),

expected as (
    select
        v.segment_kind,
        v.segment,
        v.reason,
        v.segment_pairs,
        v.segment_pairs_bought,
        (v.segment_pairs_bought + c.min_group_size * o.pairs_bought::double precision / nullif(o.pairs, 0))
        / nullif(v.segment_pairs + c.min_group_size, 0) as expected_conversion
    from conversions as v
    inner join overall as o on v.reason = o.reason
    cross join clock as c
),

targets as (
    select
        m.segment_kind,
        m.segment,
        r.product_id,
        r.reason,
        count(*) as customers,
        count(*) filter (where k.marketing_consent) as customers_reachable
    from reasons as r
    inner join members as m on r.customer_id = m.customer_id
    inner join core.customers as k on r.customer_id = k.customer_id
    where r.is_deepest and not r.is_bought
    group by m.segment_kind, m.segment, r.product_id, r.reason
),

scored as (
    select
        t.segment_kind,
        t.segment,
        t.product_id,
        t.reason,
        d.product_name,
        d.category,
        d.price,
        t.customers,
        t.customers_reachable,
        v.segment_pairs,
        v.segment_pairs_bought,
        v.expected_conversion,
        (t.customers_reachable * d.price::double precision * v.expected_conversion)::numeric(18, 4) as score,
        v.segment_pairs < c.min_group_size as low_n,
        c.currency
    from targets as t
    cross join clock as c
    inner join core.products as d on t.product_id = d.product_id
    inner join expected as v
        on t.segment_kind = v.segment_kind and t.segment = v.segment and t.reason = v.reason
    where d.product_type = 'goods' and d.is_active and coalesce(d.stock_quantity > 0, true)
),

final as (
    select
        s.segment_kind,
        s.segment,
        s.product_id,
        s.reason,
        s.product_name,
        s.category,
        s.customers,
        s.customers_reachable,
        s.price,
        s.segment_pairs,
        s.segment_pairs_bought,
        s.segment_pairs_bought::double precision / nullif(s.segment_pairs, 0) as conversion,
        s.expected_conversion,
        s.score,
        case
            when not s.low_n
                then row_number() over (
                    partition by s.segment_kind, s.segment
                    order by s.low_n, s.score desc nulls last, s.customers desc, s.product_id, s.reason
                )
        end as rank,
        s.low_n,
        s.currency
    from scored as s
)

select * from final
