-- One row per product and product to offer beside it, best first.
-- From the rules of basket.rules with one product on each side that are recommended (not redundant, lift above
-- 1, q-value at most 0.05) and whose consequent is still sold and in stock. Ranked by expected gain: what the
-- pair brings per order beyond chance, so that neither what everybody buys anyway nor a rare coincidence comes
-- first. `replicates` tells whether the pair was found again in the orders that were not mined.
with rules as (
    select
        r.antecedent_orders,
        r.itemset,
        r.antecedent_names,
        r.consequent,
        r.consequent_name,
        r.antecedent,
        r.baskets,
        r.consequent_orders,
        r.orders,
        r.confidence,
        r.lift,
        r.q_value,
        r.price,
        r.margin_rate,
        r.expected_gain,
        r.replicates
    from basket.rules as r
    where r.level = 'product' and r.antecedent_size = 1 and r.is_recommended and r.is_offered
),

products as (
    select
        p.product_id,
        p.product_name,
        p.category,
        replace(replace(p.product_id, '\', '\\'), '|', '\|') as itemset
    from core.products as p
),

final as (
    select
        p.product_id,
        r.consequent as recommended_product_id,
        p.product_name,
        r.consequent_name as recommended_product_name,
        q.category as recommended_category,
        r.baskets,
        r.antecedent_orders as product_orders,
        r.consequent_orders as recommended_orders,
        r.orders,
        r.confidence,
        r.lift,
        r.q_value,
        r.price,
        r.margin_rate,
        r.expected_gain,
        row_number() over (
            partition by p.product_id order by r.expected_gain desc nulls last, r.lift desc, r.consequent
        ) as rank,
        r.replicates,
        c.currency
    from rules as r
    inner join products as p on r.antecedent = p.itemset
    inner join products as q on r.consequent = q.product_id
    cross join core.clock as c
)

select * from final
