-- One row per bundle: two or three products that are bought together for more reasons than chance.
-- Every rule between its products is recommended (not redundant, lift above 1, q-value at most 0.05), so that a
-- bundle of three is none of two with a hanger-on; all products are still sold and in stock. `price` is the sum
-- of the list prices. The product to add is that of the rule with the largest expected gain: who has the others
-- in the basket is offered it. Ranked by that gain. What a reduced price of the bundle changes, orders of the
-- past cannot tell.
with rules as (
    select
        r.itemset,
        r.consequent,
        r.consequent_name,
        r.antecedent_names,
        r.confidence,
        r.q_value,
        r.expected_gain,
        r.replicates,
        r.is_recommended,
        row_number() over (
            partition by r.itemset order by r.expected_gain desc nulls last, r.confidence desc, r.consequent
        ) as place
    from basket.rules as r
    where r.level = 'product' and r.antecedent_size <= 2
),

judged as (
    select
        r.itemset,
        max(r.q_value) as q_value,
        bool_and(r.replicates) as replicates
    from rules as r
    group by r.itemset
    having bool_and(r.is_recommended)
),

final as (
    select
        i.itemset as bundle,
        i.itemset_names as bundle_names,
        i.size,
        i.orders,
        i.baskets,
        i.support,
        i.expected_orders,
        i.lift,
        j.q_value,
        j.replicates,
        i.price::numeric(18, 4) as price,
        i.margin::numeric(18, 4) as margin,
        r.consequent as added_product_id,
        r.consequent_name as added_product_name,
        r.confidence,
        r.expected_gain,
        row_number() over (order by r.expected_gain desc nulls last, i.orders desc, i.itemset) as rank,
        c.currency
    from basket.itemsets as i
    inner join judged as j on i.itemset = j.itemset
    inner join rules as r on i.itemset = r.itemset and r.place = 1
    cross join core.clock as c
    where i.level = 'product' and i.is_offered
)

select * from final
