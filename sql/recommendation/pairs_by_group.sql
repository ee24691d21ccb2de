-- One row per pair that basket.cross_sell offers and group of orders in which its first product was bought: does the
-- pair hold in every season, in every store, for every segment? Groups are the season of the order, its store, and the
-- present RFM segment of a known customer. For the pairs of highest expected gain (core.parameters.pairs_by_group), in
-- the mined orders since the day from which on both products were sold: before it nobody could take both, whatever
-- the season. `verdict` compares the group with all groups of the dimension together, where it has enough orders:
-- two-sided, corrected for all comparisons of the table.
with parameters as (
    select
        p.pairs_by_group,
        p.min_group_size,
        5 as least_expected,
        1.959964::double precision as z
    from core.parameters as p
),

offers as (
    select
        x.product_id,
        x.recommended_product_id,
        x.product_name,
        x.recommended_product_name,
        row_number() over (
            order by x.expected_gain desc nulls last, x.product_id, x.recommended_product_id
        ) as place
    from basket.cross_sell as x
),

mined as (
    select
        i.order_id,
        i.product_id,
        i.order_date
    from basket.order_items as i
    cross join basket.mining as m
    where m.level = 'product' and i.order_date <= m.mined_until
),

begins as (
    select
        m.product_id,
        min(m.order_date) as first_date
    from mined as m
    group by m.product_id
),

pairs as (
    select
        o.product_id,
        o.recommended_product_id,
        o.product_name,
        o.recommended_product_name,
        greatest(a.first_date, b.first_date) as both_since
    from offers as o
    cross join parameters as p
    inner join begins as a on o.product_id = a.product_id
    inner join begins as b on o.recommended_product_id = b.product_id
    where o.place <= p.pairs_by_group
),

held as (
    select
        p.product_id,
        p.recommended_product_id,
        p.both_since,
        i.order_id,
        j.order_id is not null as has_both
    from pairs as p
    inner join mined as i on p.product_id = i.product_id and p.both_since <= i.order_date
    left join mined as j on i.order_id = j.order_id and p.recommended_product_id = j.product_id
),

orders as (
    select
        o.order_id,
        o.store_id,
        s.store_name,
        case
            when extract(month from o.order_date) in (12, 1, 2) then 'December to February'
            when extract(month from o.order_date) in (3, 4, 5) then 'March to May'
            when extract(month from o.order_date) in (6, 7, 8) then 'June to August'
            else 'September to November'
        end as season,
        r.segment
    from core.orders as o
    left join core.stores as s on o.store_id = s.store_id
    left join customer.rfm as r on o.customer_id = r.customer_id
),

grouped as (
    select
        o.order_id,
        'season' as dimension,
        o.season as member,
        o.season as member_name
    from orders as o
    union all
    select
        o.order_id,
        'store' as dimension,
        o.store_id as member,
        coalesce(o.store_name, o.store_id) as member_name
    from orders as o
    union all
    select
        o.order_id,
        'segment' as dimension,
        o.segment as member,
        o.segment as member_name
    from orders as o
    where o.segment is not null
),

counted as (
    select
        h.product_id,
        h.recommended_product_id,
        h.both_since,
        g.dimension,
        g.member,
        max(g.member_name) as member_name,
        count(*) as product_orders,
        count(*) filter (where h.has_both) as orders
    from held as h
    inner join grouped as g on h.order_id = g.order_id
    group by h.product_id, h.recommended_product_id, h.both_since, g.dimension, g.member
),

summed as (
    select
        c.product_id,
        c.recommended_product_id,
        c.dimension,
        sum(c.product_orders)::double precision as product_orders,
        sum(c.orders)::double precision as orders
    from counted as c
    group by c.product_id, c.recommended_product_id, c.dimension
),

compared as (
    select
        c.product_id,
        c.recommended_product_id,
        c.dimension,
        c.member,
        c.member_name,
        c.both_since,
        c.product_orders,
        c.orders,
        c.orders::double precision as k,
        c.product_orders::double precision as n,
        s.product_orders as all_orders,
        s.orders / nullif(s.product_orders, 0) as overall_confidence,
        c.product_orders * s.orders / nullif(s.product_orders, 0) as expected_orders,
        c.product_orders < p.min_group_size as low_n
    from counted as c
    cross join parameters as p
    inner join summed as s
        on c.product_id = s.product_id and c.recommended_product_id = s.recommended_product_id
        and c.dimension = s.dimension
),

-- the group's orders, drawn from all that hold the product without replacement: the hypergeometric moments
tests as (
    select
        c.product_id,
        c.recommended_product_id,
        c.dimension,
        c.member,
        abs(c.k - c.expected_orders) / nullif(
            sqrt(
                2 * c.expected_orders
                * (1 - c.overall_confidence)
                * ((c.all_orders - c.n) / nullif(c.all_orders - 1, 0))
            ),
            0
        ) as u
    from compared as c
    cross join parameters as p
    where not c.low_n and c.expected_orders >= p.least_expected
),

chances as (
    select
        t.product_id,
        t.recommended_product_id,
        t.dimension,
        t.member,
        t.u,
        1 / nullif(1 + 0.5::double precision * t.u, 0) as t
    from tests as t
    where t.u is not null
),

-- two-sided tail of the normal distribution (Press et al. 2007, 6.2.2)
p_values as (
    select
        h.product_id,
        h.recommended_product_id,
        h.dimension,
        h.member,
        least(
            1,
            h.t * exp(greatest(
                -h.u * h.u - 1.26551223 + h.t * (1.00002368 + h.t * (0.37409196 + h.t * (0.09678418 + h.t * (
                    -0.18628806 + h.t * (0.27886807 + h.t * (-1.13520398 + h.t * (1.48851587 + h.t * (
                        -0.82215223 + h.t * 0.17087277
                    ))))
                )))),
                -700
            ))
        ) as p
    from chances as h
),

ordered as (
    select
        p.product_id,
        p.recommended_product_id,
        p.dimension,
        p.member,
        p.p,
        row_number() over (
            order by p.p, p.product_id, p.recommended_product_id, p.dimension, p.member
        ) as place,
        count(*) over () as tests
    from p_values as p
),

q_values as (
    select
        o.product_id,
        o.recommended_product_id,
        o.dimension,
        o.member,
        o.p,
        least(
            1,
            min(o.p * o.tests / nullif(o.place, 0)) over (
                order by
                    o.p desc, o.product_id desc, o.recommended_product_id desc, o.dimension desc, o.member desc
                rows unbounded preceding
            )
        ) as q
    from ordered as o
),

final as (
    select
        c.product_id,
        c.recommended_product_id,
        c.dimension,
        c.member,
        r.product_name,
        r.recommended_product_name,
        c.member_name,
        c.both_since,
        c.product_orders,
        c.orders,
        c.expected_orders,
        c.k / nullif(c.n, 0) as confidence,
        greatest(
            0,
            (2 * c.k + p.z * p.z - p.z * sqrt(p.z * p.z + 4 * c.k * (c.n - c.k) / nullif(c.n, 0)))
            / nullif(2 * (c.n + p.z * p.z), 0)
        ) as ci_low,
        least(
            1,
            (2 * c.k + p.z * p.z + p.z * sqrt(p.z * p.z + 4 * c.k * (c.n - c.k) / nullif(c.n, 0)))
            / nullif(2 * (c.n + p.z * p.z), 0)
        ) as ci_high,
        c.overall_confidence,
        q.p as p_value,
        q.q as q_value,
        case
            when q.q is null or q.q >= 0.05 then 'not distinguishable'
            when c.k > c.expected_orders then 'stronger'
            else 'weaker'
        end as verdict,
        c.low_n
    from compared as c
    cross join parameters as p
    inner join pairs as r on c.product_id = r.product_id and c.recommended_product_id = r.recommended_product_id
    left join q_values as q
        on c.product_id = q.product_id and c.recommended_product_id = q.recommended_product_id
        and c.dimension = q.dimension and c.member = q.member
)

select * from final
