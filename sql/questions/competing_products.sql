-- Which products take sales from one another?
-- The twenty pairs of products of one category with the most orders missing: they are looked at in the same
-- visits, and bought together less often than by chance (`lift` below 1, q-value below 0.05). In visits that
-- viewed both, `visits_product_bought` and `visits_other_bought` say which of the two wins; the loser is a
-- candidate to leave out, or to tell apart better. A pair needs many visits and orders to stand here; no row
-- means that none was shown, not that there is none.
with final as (
    select
        s.rank,
        s.product_id,
        s.product_name,
        s.other_product_id,
        s.other_product_name,
        s.category,
        s.visits_both,
        s.visits_product_bought,
        s.visits_other_bought,
        s.visits_both_bought,
        s.orders_both,
        s.expected_orders,
        s.lift,
        s.q_value,
        s.price,
        s.other_price,
        s.currency
    from basket.substitutes as s
    where s.rank <= 20
)

select * from final
order by rank
