-- One row per pair of products of one category that visitors compare: viewed in the same visit more often
-- than chance would have it, and in at least core.parameters.min_group_size visits. Are they bought instead
-- of each other? `lift` divides the orders that hold both by those expected, were each bought without regard
-- to the other: `substitutes` are bought together less often (below 1, q-value below 0.05), `complements`
-- more often. Pairs expected together in fewer than 5 orders cannot be judged and do not stand here. Of the
-- visits that viewed both, `visits_product_bought` and so on say which of the two wins. Pairs have no
-- direction: the smaller id is the first. Visits that viewed more than
-- core.parameters.substitutes_max_viewed products of the category compare nothing and are left out. Goods
-- only; orders of all shops since the first visit, robots left out.
with limits as (
    select
        c.first_interaction_date,
        p.min_group_size,
        p.substitutes_max_viewed,
        5 as least_expected
    from core.clock as c
    cross join core.parameters as p
),

goods as (
    select
        p.product_id,
        p.product_name,
        p.category,
        p.price,
        p.is_active,
        row_number() over (order by p.product_id) as product
    from core.products as p
    where p.product_type = 'goods' and p.category <> 'Unknown'
),

-- visits as numbers, which join faster than texts
visits as (
    select
        v.session_id,
        row_number() over (order by v.session_id) as visit
    from core.visits as v
    where v.views > 0
),

looked as (
    select
        v.visit,
        g.product,
        g.category,
        bool_or(a.event_type = 'view') as is_viewed,
        bool_or(a.event_type = 'purchase') as is_bought
    from core.activity as a
    inner join visits as v on a.session_id = v.session_id
    inner join goods as g on a.product_id = g.product_id
    where a.event_type in ('view', 'purchase')
    group by v.visit, g.product, g.category
),

viewed as (
    select
        k.visit,
        k.product,
        k.category,
        k.is_bought,
        count(*) over (partition by k.visit, k.category) as products
    from looked as k
    where k.is_viewed
),

-- what was bought in the same visit without a view of it counts as no comparison
compared as (
    select
        v.visit,
        v.product,
        v.category,
        v.is_bought,
        v.products
    from viewed as v
    cross join limits as l
    where v.products <= l.substitutes_max_viewed
),

popular as (
    select
        c.product,
        c.category,
        count(*) as visits
    from compared as c
    group by c.product, c.category
),

shelves as (
    select
        c.category,
        count(distinct c.visit) as visits
    from compared as c
    group by c.category
),

candidates as (
    select
        c.visit,
        c.product,
        c.category,
        c.is_bought
    from compared as c
    cross join limits as l
    inner join popular as p on c.product = p.product
    where c.products > 1 and p.visits >= l.min_group_size
),

pairs as (
    select
        a.category,
        a.product,
        b.product as other,
        count(*) as visits_both,
        count(*) filter (where a.is_bought and not b.is_bought) as visits_first_bought,
        count(*) filter (where b.is_bought and not a.is_bought) as visits_second_bought,
        count(*) filter (where a.is_bought and b.is_bought) as visits_both_bought
    from candidates as a
    inner join candidates as b on a.visit = b.visit and a.category = b.category and a.product < b.product
    group by a.category, a.product, b.product
),

together as (
    select
        p.category,
        p.product,
        p.other,
        p.visits_both,
        p.visits_first_bought,
        p.visits_second_bought,
        p.visits_both_bought,
        a.visits as first_visits,
        b.visits as second_visits,
        s.visits
    from pairs as p
    cross join limits as l
    inner join popular as a on p.product = a.product
    inner join popular as b on p.other = b.product
    inner join shelves as s on p.category = s.category
    where p.visits_both >= l.min_group_size and p.visits_both * s.visits > a.visits * b.visits
),

baskets as (
    select
        i.order_id,
        g.product
    from basket.order_items as i
    cross join limits as l
    inner join goods as g on i.product_id = g.product_id
    where i.order_date >= l.first_interaction_date
),

held as (
    select
        b.product,
        count(*) as orders
    from baskets as b
    group by b.product
),

every_order as (
    select count(distinct i.order_id) as orders
    from basket.order_items as i
    cross join limits as l
    where i.order_date >= l.first_interaction_date
),

testable as (
    select
        t.category,
        t.product,
        t.other,
        t.visits_both,
        t.visits_first_bought,
        t.visits_second_bought,
        t.visits_both_bought,
        t.first_visits,
        t.second_visits,
        t.visits,
        a.orders as first_orders,
        b.orders as second_orders,
        e.orders
    from together as t
    cross join limits as l
    cross join every_order as e
    inner join held as a on t.product = a.product
    inner join held as b on t.other = b.product
    where a.orders * b.orders >= l.least_expected * e.orders
),

compared_products as (
    select t.product
    from testable as t
    union
    select t.other
    from testable as t
),

kept as (
    select
        b.order_id,
        b.product
    from baskets as b
    inner join compared_products as c on b.product = c.product
),

bought as (
    select
        t.product,
        t.other,
        count(*) as orders_both
    from testable as t
    inner join kept as a on t.product = a.product
    inner join kept as b on t.other = b.product and a.order_id = b.order_id
    group by t.product, t.other
),

counted as (
    select
        t.category,
        t.product,
        t.other,
        t.visits_both,
        t.visits_first_bought,
        t.visits_second_bought,
        t.visits_both_bought,
        t.first_visits,
        t.second_visits,
        t.visits,
        t.first_orders,
        t.second_orders,
        t.orders,
        coalesce(b.orders_both, 0) as orders_both,
        t.first_orders::double precision * t.second_orders / nullif(t.orders, 0) as expected_orders
    from testable as t
    left join bought as b on t.product = b.product and t.other = b.other
),

-- orders that hold both, drawn from all orders without replacement: the hypergeometric distribution's moments
tests as (
    select
        c.product,
        c.other,
        abs(c.orders_both - c.expected_orders) / nullif(
            sqrt(
                2 * c.expected_orders
                * ((c.orders - c.first_orders)::double precision / nullif(c.orders, 0))
                * ((c.orders - c.second_orders)::double precision / nullif(c.orders - 1, 0))
            ),
            0
        ) as u
    from counted as c
),

chances as (
    select
        t.product,
        t.other,
        t.u,
        1 / nullif(1 + 0.5::double precision * t.u, 0) as t
    from tests as t
    where t.u is not null
),

p_values as (
    select
        h.product,
        h.other,
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
        p.product,
        p.other,
        p.p,
        row_number() over (order by p.p, p.product, p.other) as place,
        count(*) over () as tests
    from p_values as p
),

q_values as (
    select
        o.product,
        o.other,
        o.p,
        least(
            1,
            min(o.p * o.tests / nullif(o.place, 0)) over (
                order by o.p desc, o.product desc, o.other desc rows unbounded preceding
            )
        ) as q
    from ordered as o
),

judged as (
    select
        c.product,
        c.other,
        c.orders_both - c.expected_orders as difference,
        q.p,
        q.q,
        case
            when q.q is null or q.q >= 0.05 then 'independent'
            when c.orders_both < c.expected_orders then 'substitutes'
            else 'complements'
        end as verdict
    from counted as c
    left join q_values as q on c.product = q.product and c.other = q.other
),

ranked as (
    select
        j.product,
        j.other,
        row_number() over (order by j.difference, j.product, j.other) as rank
    from judged as j
    where j.verdict = 'substitutes'
),

final as (
    select
        a.product_id,
        b.product_id as other_product_id,
        c.category,
        a.product_name,
        b.product_name as other_product_name,
        a.price,
        b.price as other_price,
        a.is_active and b.is_active as is_active,
        r.rank,
        c.visits_both,
        c.first_visits as product_visits,
        c.second_visits as other_visits,
        c.visits,
        c.visits_both::double precision * c.visits
        / nullif(c.first_visits::double precision * c.second_visits, 0) as viewed_lift,
        c.visits_first_bought as visits_product_bought,
        c.visits_second_bought as visits_other_bought,
        c.visits_both_bought,
        c.orders_both,
        c.first_orders as product_orders,
        c.second_orders as other_orders,
        c.orders,
        c.expected_orders,
        c.orders_both / nullif(c.expected_orders, 0) as lift,
        j.p as p_value,
        j.q as q_value,
        j.verdict,
        k.currency
    from counted as c
    inner join judged as j on c.product = j.product and c.other = j.other
    left join ranked as r on c.product = r.product and c.other = r.other
    inner join goods as a on c.product = a.product
    inner join goods as b on c.other = b.product
    cross join core.clock as k
)

select * from final
